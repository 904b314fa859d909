const MINUTE_MS = 60_000;
const RUNNING_RETRY_MS = 5_000;

/**
 * The cron trigger for local use: the local runtime triggers only the first Worker, which has no
 * schedule. The local queues start empty, so the first call notifies for every due email.
 */
export function tickEachMinute(port: number, token: string, print: (line: string) => void): void {
  const init = { method: "POST", headers: { Authorization: `Bearer ${token}` } };
  const post = (what: string): void =>
    void fetch(`http://127.0.0.1:${port}/api/admin/scheduled-tasks/${what}`, init).then(
      ({ ok, status }) => {
        // A run of the process before was killed, and its lease has not ended.
        if (status === 409) return setTimeout(() => post(what), RUNNING_RETRY_MS);
        return ok || print(`cron: the tick was answered with ${status}`);
      },
      (error: unknown) => print(`cron: the tick failed: ${String(error)}`),
    );
  const tick = (): void => post("tick");
  post("sweep-outbox/run");
  setTimeout(
    () => {
      tick();
      setInterval(tick, MINUTE_MS);
    },
    MINUTE_MS - (Date.now() % MINUTE_MS),
  );
}
