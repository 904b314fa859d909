import { dirname, relative, resolve } from "node:path";
import { wrongWords } from "./terms.ts";

/** Lint rules that hold the structure of the tree. `.oxlintrc.json` has their options. */

type Node = { type: string; source?: { value: unknown } | null; [key: string]: unknown };
type Context = {
  filename: string;
  cwd: string;
  options: unknown[];
  report(problem: { node?: unknown; loc?: unknown; message: string }): void;
};

/** Calls `check` with each module that a file imports, types included. Paths are from the root. */
function onImports(
  context: Context,
  check: (imported: string, file: string) => string | null,
): Record<string, (node: Node) => void> {
  const file = relative(context.cwd, context.filename);
  const visit = (node: Node): void => {
    const imported = node.source?.value;
    if (typeof imported !== "string") return;
    const path = imported.startsWith(".")
      ? relative(context.cwd, resolve(dirname(context.filename), imported.replace(/\?.*$/, "")))
      : imported;
    const message = check(path, file);
    if (message !== null) context.report({ node, message });
  };
  return {
    ImportDeclaration: visit,
    ExportNamedDeclaration: visit,
    ExportAllDeclaration: visit,
    ImportExpression: visit,
    TSImportType: visit,
  };
}

const isIn = (path: string, folder: string): boolean => path.startsWith(`${folder}/`);

/**
 * Options: the folders from the lowest layer to the highest. A file imports its own layer or lower
 * ones.
 */
const layers = {
  meta: { schema: [{ type: "array", items: { type: "string" } }] },
  create(context: Context) {
    const order = context.options[0] as string[];
    const layerOf = (path: string): number => order.findIndex((folder) => isIn(path, folder));
    return onImports(context, (imported, file) => {
      const [own, other] = [layerOf(file), layerOf(imported)];
      if (own === -1) return null;
      if (other > own) return `${order[own]} is a lower layer than ${order[other]}`;
      const isOutside = other === -1 && /^(shared|workers|scripts|test|bench)\//.test(imported);
      return isOutside ? `${order[own]} must not import ${imported}, which is in no layer` : null;
    });
  },
};

/** Options: the libraries. From outside, only their entries are imported. */
const libraryEntry = {
  meta: { schema: [{ type: "array", items: { type: "string" } }] },
  create(context: Context) {
    const libraries = context.options[0] as string[];
    return onImports(context, (imported, file) => {
      const library = libraries.find((folder) => isIn(imported, folder));
      if (library === undefined || isIn(file, library)) return null;
      const entries = [`${library}/index.ts`, `${library}/rules/index.ts`];
      return entries.includes(imported) ? null : `import ${entries.join(" or ")} instead`;
    });
  },
};

const effects =
  /^(cloudflare:|@cloudflare\/|node:)|\/(sql|isolate|object)\/|\/lib\/worker\/log\.ts$/;

/** Files in `rules/` decide and do nothing else: no platform, no SQL, no clock, no randomness. */
const pure = {
  create(context: Context) {
    const report = (node: unknown, what: string): void =>
      context.report({
        node,
        message: `a file in rules/ must not use ${what}: take it as an argument`,
      });
    return {
      ...onImports(context, (imported) =>
        effects.test(imported) ? `a file in rules/ must not import ${imported}` : null,
      ),
      MemberExpression(node: Node) {
        const { object, property } = node as unknown as Record<
          "object" | "property",
          { name?: string }
        >;
        const name = `${object.name}.${property.name}`;
        if (["Date.now", "Math.random", "crypto.randomUUID", "performance.now"].includes(name))
          report(node, name);
      },
      NewExpression(node: Node) {
        const { callee, arguments: given } = node as unknown as {
          callee: { name?: string };
          arguments: unknown[];
        };
        if (callee.name === "Date" && given.length === 0) report(node, "new Date()");
      },
    };
  },
};

const MAX_COLUMNS = 100;
/** What cannot be broken: a URL, and the module of an import. */
const unbreakable = /https?:\/\/|^\s*(import|export|\}) .*from "/;
/** The sentence that names a test stays in one piece, so that a search finds it. */
const title =
  /^\s*(it|describe)(\.[\w.]+)?\(["`]|^\s*["`](?!(SELECT|INSERT|UPDATE|DELETE) ).*["`],$/;

/** A line has at most 100 columns. */
const columns = {
  create(context: Context & { sourceCode: { text: string } }) {
    return {
      Program() {
        for (const [index, text] of context.sourceCode.text.split("\n").entries()) {
          if (text.length <= MAX_COLUMNS || unbreakable.test(text)) continue;
          if (context.filename.endsWith(".test.ts") && title.test(text)) continue;
          const loc = { line: index + 1, column: MAX_COLUMNS };
          context.report({
            loc: { start: loc, end: { line: index + 1, column: text.length } },
            message: `the line has ${text.length} columns, more than ${MAX_COLUMNS}`,
          });
        }
      },
    };
  },
};

/** Also the rest of a template whose names of tables stand between. */
const sql = /^[;\s]*(SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|WITH|PRAGMA)\b/;

/** `it("...")`, `describe.each(rows)("...")`: the function that is called first in the chain. */
function rootOf(callee: Node): unknown {
  if (callee.type === "CallExpression") return rootOf(callee["callee"] as Node);
  if (callee.type === "MemberExpression") return rootOf(callee["object"] as Node);
  return callee["name"];
}

/**
 * Comments and strings of two words or more use the words that docs use: see terms.ts. So do the
 * titles of tests; the other strings of a test are data, which people send.
 */
const prose = {
  create(context: Context & { sourceCode: { getAllComments(): { value: string }[] } }) {
    // The lists of words themselves, and the mission's tests, which are not edited.
    if (
      /\/(lint\/(terms|prose\.test)|docs\/runbook-walks|mission\/[\w.]+)\.ts$/.test(
        context.filename,
      )
    )
      return {};
    const check = (node: unknown, text: string): void => {
      if (!/[a-z] [a-z]/i.test(text) || sql.test(text)) return;
      for (const message of wrongWords(text.replace(/`[^`]*`|"[^"]*"|\bMAIL\b/g, "`x`")))
        context.report({ node, message });
    };
    const literal = (node: Node): void => {
      if (typeof node["value"] === "string") check(node, node["value"]);
    };
    const template = (node: Node): void => check(node, (node["value"] as { raw: string }).raw);
    const comments = {
      Program() {
        for (const comment of context.sourceCode.getAllComments()) check(comment, comment.value);
      },
    };
    if (!/\.test\.tsx?$/.test(context.filename))
      return { ...comments, Literal: literal, JSXText: literal, TemplateElement: template };
    return {
      ...comments,
      CallExpression(node: Node) {
        const [named] = node["arguments"] as Node[];
        if (named === undefined || !/^(it|describe)$/.test(String(rootOf(node["callee"] as Node))))
          return;
        if (named.type === "TemplateLiteral") (named["quasis"] as Node[]).forEach(template);
        else literal(named);
      },
    };
  },
};

// oxlint-disable-next-line import/no-default-export -- the plugin interface asks for one
export default {
  meta: { name: "structure" },
  rules: { columns, layers, "library-entry": libraryEntry, prose, pure },
};
