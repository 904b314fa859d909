import { systemClock } from "../../base/clock.ts";
import { describeError, log } from "../../worker/log.ts";
import type { Inspection } from "../rules/rpc.ts";
import { Announcer, type BreakerStanding } from "./announcer.ts";
import { createAnnouncementTable, loadAnnounced, saveAnnounced } from "./stored-announcement.ts";

/** What the Worker that hosts the objects may give them. */
export type BreakerHost = {
  /**
   * Gets the standing of each breaker that is used, for a list of them. See `Announcer` for when.
   *
   * @throws if it was not taken: the breaker then announces itself again later
   */
  announce?: (standing: BreakerStanding) => Promise<void>;
};

/** The announcer of an object. Null if nobody takes its standing, or it has no name. */
export function announcerOf(
  { storage, id, waitUntil }: Announcing,
  { announce }: BreakerHost,
  breaker: { mark: () => string; inspection: () => Inspection },
): Announcer | null {
  if (announce === undefined) return null;
  const { sql } = storage;
  createAnnouncementTable(sql);
  const announced = loadAnnounced(sql);
  const name = id.name ?? announced?.name;
  if (name === undefined) return null;
  return new Announcer({
    announce,
    mark: breaker.mark,
    standing: () => standingOf(breaker.inspection(), name, id.toString()),
    announced,
    save: (taken) => saveAnnounced(sql, name, taken),
    wakeAt: (at) => storage.setAlarm(at),
    clock: systemClock,
    background: waitUntil,
    onError: (error) => log("warn", "circuit_breaker.announce_failed", describeError(error)),
  });
}

function standingOf(inspection: Inspection, name: string, object: string): BreakerStanding {
  const { state, epoch, last, override, outage = null } = inspection;
  return { name, object, state, epoch, override: override.kind, last, outage };
}

type Announcing = {
  storage: DurableObjectStorage;
  id: DurableObjectId;
  waitUntil: (work: Promise<unknown>) => void;
};
