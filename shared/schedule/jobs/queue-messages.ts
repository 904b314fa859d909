import * as v from "valibot";

/** "Look at these runs": carries no call, so losing it loses none. */
const runNotification = v.object({ v: v.literal(1), runIds: v.array(v.string()) });

export type JobMessage = v.InferOutput<typeof runNotification>;

export const parseJobMessage = v.safeParser(runNotification);

/** An invocation has six connections, and each call begins when its lease does. */
export const RUNS_PER_MESSAGE = 6;

/** Messages per call of a queue. */
const PAGE = 100;

const messageFor = (runIds: readonly string[]): JobMessage => ({ v: 1, runIds: [...runIds] });

/** Notifies the consumer of runs that are due. */
export async function notifyOfRuns(
  queue: Queue<JobMessage>,
  runIds: readonly string[],
  delaySeconds = 0,
): Promise<void> {
  const bodies: { body: JobMessage; delaySeconds: number }[] = [];
  for (let start = 0; start < runIds.length; start += RUNS_PER_MESSAGE)
    bodies.push({ body: messageFor(runIds.slice(start, start + RUNS_PER_MESSAGE)), delaySeconds });
  for (let start = 0; start < bodies.length; start += PAGE)
    await queue.sendBatch(bodies.slice(start, start + PAGE));
}
