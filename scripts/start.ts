/** Runs all of Luna on this machine: `npm start`. */
import { commandLine } from "./command-line.ts";

const { values } = commandLine({
  name: "start",
  about:
    "Runs the three Workers on this machine, with a database, queues, a clock and a mailbox. " +
    "Ctrl-C stops everything; what was stored is there again at the next start.",
  options: {
    verbose: { type: "boolean", about: "also prints what Wrangler prints", default: false },
  },
  variables: {
    PORT: "of the API (8787)",
    SMTP_PORT: "of the mailbox's mail server (1025); with SMTP_HOST, the port of that server",
    MAILBOX_PORT: "of the mailbox's web page (1080)",
    STATE_DIR: "where everything is stored (.wrangler/state)",
    DEV_VARS: "the file with variables and secrets (.dev.vars)",
    SMTP_HOST: "a mail server to use instead of the mailbox",
    others: "each variable of .dev.vars.example, except ADMIN_TOKEN",
  },
});
process.stdout.write("Luna starts. Ctrl-C stops it.\n");
// What it needs takes a moment to load, so the line above comes first.
const { runEverything } = await import("./start/run.ts");
runEverything(values.verbose);
