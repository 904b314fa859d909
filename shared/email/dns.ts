import { describeError, log } from "../lib/worker/log.ts";
import { txtRecords } from "./rules/dns-answer.ts";

const TIMEOUT_MS = 5_000;

/**
 * Looks up TXT records by DNS over HTTPS. Never throws.
 *
 * @param resolver its URL
 * @returns null if it was not observed whether there are any
 */
export async function lookUpTxt(resolver: string, name: string): Promise<string[] | null> {
  const url = new URL(resolver);
  url.searchParams.set("name", name);
  url.searchParams.set("type", "TXT");
  try {
    const response = await fetch(url, {
      headers: { Accept: "application/dns-json" },
      redirect: "manual",
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    const records = response.status === 200 ? txtRecords(await response.json()) : null;
    if (records === null) log("warn", "dns.no_answer", { status: response.status });
    return records;
  } catch (error) {
    log("warn", "dns.failed", describeError(error));
    return null;
  }
}
