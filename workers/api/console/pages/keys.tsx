import { Keys } from "../ui/keys.tsx";

export function KeysPage() {
  return (
    <>
      <p class="lead">
        Keys of operators. Besides them, <code>ADMIN_TOKEN</code> does everything. The keys of a
        user or of a team are on the page of each.
      </p>
      <Keys kind="Operator" />
    </>
  );
}
