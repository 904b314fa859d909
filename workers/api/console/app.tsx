import { useEffect, useRef } from "preact/hooks";
import { wrongFilters } from "./filters.ts";
import { useIssues } from "./health.ts";
import { shownOperator } from "./may.ts";
import { AlertsPage } from "./pages/alerts.tsx";
import { AuditPage } from "./pages/audit.tsx";
import { BreakersPage } from "./pages/breakers.tsx";
import { CachePage } from "./pages/cache.tsx";
import { DeadLetterPage } from "./pages/dead-letter.tsx";
import { DeadLettersPage } from "./pages/dead-letters.tsx";
import { EmailPage } from "./pages/email.tsx";
import { EmailsPage } from "./pages/emails.tsx";
import { HeartbeatPage } from "./pages/heartbeat.tsx";
import { HeartbeatsPage } from "./pages/heartbeats.tsx";
import { JobPage } from "./pages/job.tsx";
import { JobsPage } from "./pages/jobs.tsx";
import { KeysPage } from "./pages/keys.tsx";
import { OverviewPage } from "./pages/overview.tsx";
import { SendersPage } from "./pages/senders.tsx";
import { SignInPage } from "./pages/sign-in.tsx";
import { SuppressionsPage } from "./pages/suppressions.tsx";
import { TasksPage } from "./pages/tasks.tsx";
import { TeamPage } from "./pages/team.tsx";
import { TemplatePage } from "./pages/template.tsx";
import { TemplatesPage } from "./pages/templates.tsx";
import { UserPage } from "./pages/user.tsx";
import { UsersPage } from "./pages/users.tsx";
import { WebhookPage } from "./pages/webhook.tsx";
import { WebhooksPage } from "./pages/webhooks.tsx";
import { here, linkTo, type DetailedPage, type PageName, type Place } from "./router.ts";
import { session, signOut } from "./session.ts";
import { useStore } from "./store.ts";
import { Announcements } from "./ui/announce.tsx";

const pages: Record<PageName, string> = {
  overview: "Overview",
  breakers: "Circuit breakers",
  cache: "Cache",
  email: "Email",
  "dead-letters": "Dead letters",
  suppressions: "Suppressions",
  users: "Users",
  teams: "Teams",
  keys: "Keys",
  senders: "Senders",
  webhooks: "Webhooks",
  heartbeats: "Heartbeats",
  templates: "Templates",
  tasks: "Tasks",
  jobs: "Jobs",
  alerts: "Alerts",
  audit: "Audit",
};
/** A team is reached from its members: the API lists no teams. */
const names = (Object.keys(pages) as PageName[]).filter((name) => name !== "teams");
const tabOf = (page: Place["page"]) => (page === "teams" ? "users" : page);

const detailTitles: Record<DetailedPage, string> = {
  email: "One email",
  "dead-letters": "Dead letter",
  users: "User",
  teams: "Team",
  webhooks: "Webhook endpoint",
  heartbeats: "Heartbeat",
  templates: "Template",
  jobs: "Job",
};

export function App() {
  const who = useStore(session);
  const place = useStore(here);
  switch (who.state) {
    case "checking":
      return <main class="checking" aria-busy="true" />;
    case "signed-out":
      return <SignInPage because={who.because} />;
    case "signed-in":
      return <Shell place={place} who={shownOperator(who)} hasToken={who.token !== null} />;
  }
}

/** Often enough for a tab in the background of another page. */
const TITLE_EVERY_MS = 30_000;

/** The title of the browser's tab begins with how many things need a person. */
function useTitle(title: string): void {
  const { issues } = useIssues(TITLE_EVERY_MS);
  const count = issues.filter(({ needs }) => needs === "you").length;
  const text = `${count === 0 ? "" : `(${count}) `}${title} · Luna console`;
  useEffect(() => {
    document.title = text;
  }, [text]);
}

function titleOf({ page, id }: Place): string {
  if (page === "nowhere") return "No such page";
  if (id === null) return pages[page];
  return detailTitles[page as DetailedPage];
}

function Shell({ place, who, hasToken }: { place: Place; who: string; hasToken: boolean }) {
  const heading = useRef<HTMLHeadingElement>(null);
  const tabs = useRef<HTMLElement>(null);
  const title = titleOf(place);
  useTitle(title);
  const key = `${place.page}/${place.id ?? ""}`;
  const isFirst = useRef(true);
  useEffect(() => {
    // Screen readers start a new page at its heading, and the first one at the top.
    if (!isFirst.current) heading.current?.focus();
    isFirst.current = false;
    // On a small screen the tabs scroll sideways.
    tabs.current
      ?.querySelector('[aria-current="page"]')
      ?.scrollIntoView({ block: "nearest", inline: "center" });
  }, [key]);
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => (event.preventDefault(), heading.current?.focus())}
      >
        Skip to content
      </a>
      <header class="top">
        <a class="brand" href={linkTo("overview")}>
          Luna
        </a>
        <span class="who">{who}</span>
        {hasToken && (
          <button type="button" class="quiet" onClick={() => signOut()}>
            Sign out
          </button>
        )}
      </header>
      <nav aria-label="Pages" ref={tabs}>
        {names.map((name) => (
          <a
            key={name}
            href={linkTo(name)}
            aria-current={name === tabOf(place.page) ? "page" : undefined}
          >
            {pages[name]}
          </a>
        ))}
        <a href="runbooks/">Runbooks</a>
      </nav>
      <main id="main">
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        <Page key={key} place={place} />
      </main>
      <Announcements />
    </>
  );
}

function Page({ place }: { place: Place }) {
  const { page, id, query } = place;
  const wrong = wrongFilters(place);
  if (page !== "nowhere" && wrong.length > 0)
    return <WrongFilters wrong={wrong} link={linkTo(page, id)} />;
  switch (page) {
    case "overview":
      return <OverviewPage query={query} />;
    case "breakers":
      return <BreakersPage />;
    case "cache":
      return <CachePage query={query} />;
    case "email":
      return id === null ? <EmailsPage query={query} /> : <EmailPage id={id} query={query} />;
    case "dead-letters":
      return id === null ? (
        <DeadLettersPage query={query} />
      ) : (
        <DeadLetterPage id={id} query={query} />
      );
    case "suppressions":
      return <SuppressionsPage query={query} />;
    case "users":
      return id === null ? <UsersPage query={query} /> : <UserPage id={id} />;
    case "teams":
      return id === null ? <NoTeam /> : <TeamPage id={id} />;
    case "keys":
      return <KeysPage />;
    case "senders":
      return <SendersPage />;
    case "webhooks":
      return id === null ? <WebhooksPage /> : <WebhookPage id={id} />;
    case "heartbeats":
      return id === null ? <HeartbeatsPage /> : <HeartbeatPage id={id} />;
    case "templates":
      return id === null ? <TemplatesPage /> : <TemplatePage name={id} />;
    case "tasks":
      return <TasksPage />;
    case "jobs":
      return id === null ? <JobsPage query={query} /> : <JobPage name={id} />;
    case "alerts":
      return <AlertsPage />;
    case "audit":
      return <AuditPage query={query} />;
    case "nowhere":
      return (
        <p>
          There is no such page. <a href={linkTo("overview")}>Go to the overview</a>
        </p>
      );
  }
}

function NoTeam() {
  return (
    <p>
      A team is on the page of each of its members. Go to <a href={linkTo("users")}>the users</a>.
    </p>
  );
}

/** A filter that the page does not know must not look as if it was applied. */
function WrongFilters({ wrong, link }: { wrong: string[]; link: string }) {
  return (
    <div class="failing" role="alert">
      <strong>The address has a filter that this page cannot apply, so it shows nothing.</strong>
      <ul>
        {wrong.map((text) => (
          <li key={text}>{text}</li>
        ))}
      </ul>
      <a href={link}>Show the page without filters</a>
    </div>
  );
}
