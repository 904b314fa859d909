/**
 * Steps of plans that would be wrong if what they read were not bounded.
 *
 * `of`: the functions whose statements have them, or that call what makes them. `step`: how the
 * steps begin. `bound`: what bounds them, however much is stored.
 */
export type Exception = { of: string[]; step: string; bound: string };

const SORT = "USE TEMP B-TREE FOR ORDER BY";
const LAST_SORT = "USE TEMP B-TREE FOR LAST TERM OF ORDER BY";
const GROUP = "USE TEMP B-TREE FOR GROUP BY";
const DISTINCT = "USE TEMP B-TREE FOR DISTINCT";

/** Of what one user, team, call or page has. */
const ofOne: Exception[] = [
  {
    of: ["saveUser", "replaceApiKey", "deleteApiKey", "saveDeletion", "saveConfirmedAddress"],
    step: SORT,
    bound: "the cache tags of one user: four names and at most 50 teams",
  },
  { of: ["suspend", "resume"], step: SORT, bound: "the cache tags of one user, as above" },
  {
    of: ["findTeams", "findWorkspaces", "findExport"],
    step: SORT,
    bound: "what one user has: at most 50 teams, with at most 1,000 workspaces each",
  },
  { of: ["findTeam"], step: SORT, bound: "the members of one team, at most 200" },
  { of: ["findTeams", "findExport"], step: LAST_SORT, bound: "additions of one user at one time" },
  {
    of: ["selectPastUsage"],
    step: LAST_SORT,
    bound: "the metrics of one user in one period, at most 100",
  },
  { of: ["findSuppressions"], step: SORT, bound: "the scopes of one address, of which are two" },
  { of: ["acceptEach", "rereadVerdicts"], step: SORT, bound: "the emails of one call, 100" },
  {
    of: ["waitingElsewhere"],
    step: SORT,
    bound: "the tenants that one batch looks at, at most 14, with 5 emails each",
  },
  { of: ["claim"], step: SORT, bound: "the messages of one batch, at most 100" },
  {
    of: ["recordAndMarkSending", "settleEnded", "settleExpired", "settleForgotten"],
    step: GROUP,
    bound: "the emails that are settled together, at most 100",
  },
  { of: ["dueEmails"], step: SORT, bound: "two pages" },
  {
    of: ["findDeadLetters", "oldestDeadEmails", "oldestWithCause"],
    step: SORT,
    bound: "the newest 1,000 dead emails of a recipient",
  },
  { of: ["oldDaysOfPage"], step: SORT, bound: "the days of one page of counters" },
  { of: ["deleteContents"], step: SORT, bound: "the emails of one page, 500" },
  {
    of: ["tenantsAfter"],
    step: "SCAN t",
    bound: "the tenants of one page, each found by a step of the index",
  },
  {
    of: ["readHeartbeat", "readEnd"],
    step: "SCAN sqlite_master",
    bound: "the tables of one object, of which are three, or one",
  },
  { of: ["readHistory"], step: SORT, bound: "the runs of the executions of one page" },
  {
    of: ["savePurge", "saveReclaims"],
    step: DISTINCT,
    bound: "the tags of one purge, at most 1,000",
  },
];

/** Of what the code, the configuration or the number of Workers bounds. */
const ofLuna: Exception[] = [
  {
    of: ["claimedBy", "expiredLeases", "noteRateAnswer", "recordAndMarkSending"],
    step: "SCAN emails USING INDEX emails_in_flight",
    bound: "what is handed over at the moment: at most 100 for each consumer",
  },
  { of: ["expiredLeases"], step: SORT, bound: "as its scan" },
  { of: ["claim"], step: "SCAN transport_pace", bound: "one row for each transport" },
  {
    of: ["expiredDeliveries"],
    step: "SCAN deliveries USING INDEX deliveries_in_flight",
    bound: "what is called at the moment: at most three for each endpoint",
  },
  { of: ["waitingTargets"], step: "SCAN t", bound: "one page of endpoints" },
  {
    of: ["readSize", "watchSize"],
    step: "SCAN database_sizes",
    bound: "the days of the forecast, at most 17",
  },
  { of: ["taskStates"], step: "SCAN task_states", bound: "the registered tasks" },
  { of: ["claimSlots"], step: "SCAN s", bound: "the registered tasks" },
  {
    of: ["claimSlots", "beginRun"],
    step: "SCAN task_runs USING INDEX task_runs_running",
    bound: "what runs at the moment",
  },
  {
    of: ["claimSlots", "beginRun"],
    step: "SCAN task_executions USING INDEX task_executions_open",
    bound: "what runs at the moment",
  },
  {
    of: ["readAlerts", "readDay"],
    step: "SCAN alerts",
    bound: "the alerts: one for each task, breaker and kind",
  },
  {
    of: ["readNotified"],
    step: "SCAN a",
    bound: "the alerts: one for each task, breaker and kind",
  },
  {
    of: ["undeliveredNotices"],
    step: SORT,
    bound: "notices of seven days that a channel has not taken: an alert has few a day",
  },
  {
    of: ["readFacts"],
    step: SORT,
    bound: "the runs of one task that have failed in a row, and those of one execution",
  },
  {
    of: ["readDay"],
    step: GROUP,
    bound: "the runs of one day, which the schedules bound, and the emails of one day",
  },
  { of: ["readDay"], step: SORT, bound: "the alerts" },
];

/** Of small tables in objects. */
const ofObjects: Exception[] = [
  { of: ["loadMeta", "saveMeta"], step: "SCAN meta", bound: "one row" },
  { of: ["loadBreaker"], step: "SCAN breaker", bound: "one row" },
  { of: ["loadThresholds"], step: "SCAN thresholds", bound: "one row" },
  { of: ["loadAnnounced"], step: "SCAN announced", bound: "one row" },
  { of: ["currentOutage"], step: "SCAN transitions", bound: "the last 1,000 transitions" },
  {
    of: ["registerBreaker", "readRegistered"],
    step: "SCAN breakers",
    bound: "at most 200 breakers",
  },
  {
    of: ["registerBreaker", "countRefused"],
    step: "SCAN refused_breakers",
    bound: "at most 200 breakers",
  },
  { of: ["countRefused"], step: GROUP, bound: "at most 200 breakers" },
  {
    of: ["foldEnded", "readTotals", "countIsolates"],
    step: "SCAN isolates",
    bound: "the isolates of the last minutes",
  },
  { of: ["foldEnded", "readTotals"], step: GROUP, bound: "the series of Luna" },
  { of: ["readTotals"], step: "SCAN ended", bound: "the series of Luna" },
  { of: ["readReportedAt"], step: "SCAN workers", bound: "the Workers of Luna" },
  { of: ["readWatched"], step: "SCAN watched", bound: "the registered tasks" },
  { of: ["readNotifiedTasks"], step: "SCAN ", bound: "the registered tasks" },
  {
    of: ["readUnrecorded"],
    step: "SCAN unrecorded_alerts",
    bound: "the alert conditions: at most some for each task, breaker and share",
  },
];

/** Of an index in its order, until the page is full. */
const inOrder: Exception[] = [
  {
    of: ["unsweptTenants"],
    step: "SCAN ended_tenants USING INDEX ended_tenants_unswept",
    bound: "",
  },
  { of: ["recentNotices"], step: "SCAN alert_notices USING INDEX alert_notices_by_age", bound: "" },
  { of: ["deleteReclaims"], step: "SCAN reclaims", bound: "" },
  { of: ["deleteOldTags"], step: "SCAN tags USING INDEX tags_by_seq", bound: "" },
  { of: ["hasReclaims"], step: "SCAN reclaims", bound: "" },
  { of: ["isEmpty"], step: "SCAN entries USING COVERING INDEX", bound: "" },
  { of: ["isEmpty"], step: "SCAN tags USING COVERING INDEX", bound: "" },
].map((one) => ({ ...one, bound: "one page in the order of the index" }));

/** Of an index, until it has counted `COUNTED_UP_TO` and one more. */
const counted: Exception[] = [
  { of: ["emailBacklog", "readFacts", "readDay"], step: "SCAN emails", bound: "" },
  { of: ["emailBacklog", "readFacts", "readDay"], step: "SCAN dead_letters", bound: "" },
  { of: ["countPurges"], step: "SCAN purge_intents", bound: "" },
].map((one) => ({ ...one, bound: "1,001 entries of the index" }));

export const exceptions: Exception[] = [...ofOne, ...ofLuna, ...ofObjects, ...inOrder, ...counted];

/** The exception for a step of a statement that was made while these functions were under way. */
export function exceptionFor(callers: readonly string[], step: string): Exception | undefined {
  return exceptions.find(
    (one) => step.startsWith(one.step) && one.of.some((name) => callers.includes(name)),
  );
}
