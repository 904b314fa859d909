import { expect, it } from "vitest";
import { json, type Handler, type Handlers } from "../../workers/api/call.ts";
import { handlers } from "../../workers/api/routes.ts";

/** Held by `tsc`: each line below an expectation must not compile. */

const createTeam: Handler<"createTeam"> = async ({ body }) => {
  // @ts-expect-error -- a team has a name and no title
  void body.title;
  // @ts-expect-error -- the name is text
  const name: number = body.name;
  throw new Error(String(name));
};

const getUser: Handler<"getUser"> = async ({ params, query, caller }) => {
  // @ts-expect-error -- the path names a user and no team
  void params.teamId;
  // @ts-expect-error -- the operation takes no query
  void query.limit;
  // @ts-expect-error -- a caller with access "self" is never anonymous
  void (caller.role === "anonymous");
  throw new Error("unused");
};

it("a handler under another operation's id does not compile, even with the same input", () => {
  // @ts-expect-error -- swapped
  const otherInput: Handlers = { ...handlers, getTeam: handlers.getUser };
  // @ts-expect-error -- swapped
  const sameInput: Handlers = { ...handlers, exportUser: handlers.getUser };
  expect([otherInput, sameInput]).toHaveLength(2);
});

it("an operation without a handler does not compile", () => {
  const { getHealth, ...rest } = handlers;
  // @ts-expect-error -- getHealth is missing
  const incomplete: Handlers = rest;
  expect(incomplete).not.toHaveProperty("getHealth");
  expect(getHealth).toBeTypeOf("function");
});

it("a handler that takes another body, parameter, query or caller does not compile", () => {
  // @ts-expect-error -- the body of POST /api/teams has a name that is text
  const wrongBody: Handler<"createTeam"> = async (call: { body: { name: number } }) => json(call);
  expect([createTeam, getUser, wrongBody]).toHaveLength(3);
});
