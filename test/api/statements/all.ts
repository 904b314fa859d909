import * as accounts from "./accounts.ts";
import type { Cases } from "./cases.ts";
import * as emailCounts from "./email-counts.ts";
import * as emails from "./emails.ts";
import * as files from "./files.ts";
import * as heartbeats from "./heartbeats.ts";
import * as jobs from "./jobs.ts";
import * as keys from "./keys.ts";
import { listCases } from "./lists.ts";
import * as system from "./system.ts";
import * as templates from "./templates.ts";
import * as webhooks from "./webhooks.ts";

const modules = [
  accounts,
  emailCounts,
  emails,
  files,
  heartbeats,
  jobs,
  keys,
  system,
  templates,
  webhooks,
];

/** What runs every statement that the code sends to D1. */
export const cases: Cases = Object.assign(
  {},
  ...modules.flatMap((module): Cases[] => Object.values(module)),
  listCases,
) as Cases;
