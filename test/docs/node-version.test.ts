import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import packageJson from "../../package.json" with { type: "json" };

it("the README asks for the Node that package.json names", () => {
  const wanted = packageJson.engines.node.split(" || ").map((range) => {
    const [, major = "", minor = ""] = /^(?:\^|>=)(\d+)\.(\d+)\.0$/.exec(range) ?? [];
    return minor === "0" ? major : `${major} (${major}.${minor} or newer)`;
  });
  const asks = `You need Node ${wanted.slice(0, -1).join(", ")} or ${wanted.at(-1)}, no account`;
  expect(readFileSync("README.md", "utf8")).toContain(asks);
});
