import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { BodyRoom } from "./large-bodies.ts";

const MIB = 1_048_576;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it("large bodies together hold at most 8 MiB: the next one waits for room", async () => {
  const [first, second, third] = [new BodyRoom(), new BodyRoom(), new BodyRoom()];
  expect(await first.take(4 * MIB)).toBe(true);
  expect(await second.take(4 * MIB)).toBe(true);
  const waiting = vi.fn<(room: boolean) => void>();
  void third.take(2 * MIB).then(waiting);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(waiting).not.toHaveBeenCalled();
  first.release();
  await vi.advanceTimersByTimeAsync(100);
  expect(waiting).toHaveBeenCalledWith(true);
  const fourth = new BodyRoom();
  const refused = fourth.take(4 * MIB);
  await vi.advanceTimersByTimeAsync(11_000);
  expect(await refused).toBe(false);
  for (const room of [second, third, fourth]) room.release();
  expect(await fourth.take(8 * MIB)).toBe(true);
  fourth.release();
});

it("a body of at most 1 MiB needs no room, also while there is none", async () => {
  const [large, small] = [new BodyRoom(), new BodyRoom()];
  await large.take(8 * MIB);
  expect(await small.take(MIB)).toBe(true);
  small.release();
  large.release();
});

it("a request takes its room once, and gives back what it took", async () => {
  const room = new BodyRoom();
  await room.take(5 * MIB);
  await room.take(5 * MIB);
  room.release();
  room.release();
  const next = new BodyRoom();
  expect(await next.take(8 * MIB)).toBe(true);
  next.release();
});
