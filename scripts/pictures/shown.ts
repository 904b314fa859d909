import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseSync } from "vite";

/**
 * What the pictures of the README are made of, without a browser: the texts and elements of the
 * console's first page with its style, and the texts of the demo. A change of anything else leaves
 * the pictures as they are.
 */

const CONSOLE = "workers/api/console";
const DEMO = "scripts/demo";
/** The methods of the narrator whose first argument is printed. */
const PRINTS = new Set(["chapter", "step", "line"]);

type Node = Record<string, unknown> & { type: string };
type Module = { program: { body: unknown }; imports: string[] };

/** The two digests beside the pictures. */
type Shown = { console: string; demo: string };

/** @returns the digests of what the pictures would show today */
export function shownToday(): Shown {
  const overview = filesFrom(`${CONSOLE}/pages/overview.tsx`, CONSOLE);
  const page = [`${CONSOLE}/app.tsx`, ...overview.filter((file) => file.endsWith(".tsx"))].map(
    (file) => textsIn(file, shownByElements),
  );
  const style = readFileSync(`${CONSOLE}/styles.css`, "utf8").replaceAll(/\/\*[^]*?\*\//g, "");
  return { console: digest([...page, style]), demo: digest(demoTexts()) };
}

/** Every chapter and step of the demo, as far as its text is fixed. */
export function demoTexts(): string[] {
  return filesFrom(`${DEMO}.ts`, DEMO).flatMap((file) => textsIn(file, printed));
}

function digest(parts: unknown): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16);
}

/** A file and what it imports within a folder, in the order of their names. */
function filesFrom(entry: string, folder: string): string[] {
  const files = new Set([entry]);
  for (const file of files)
    for (const name of parsed(file).imports) {
      const imported = join(dirname(file), name);
      if (imported.startsWith(`${folder}/`) && existsSync(imported)) files.add(imported);
    }
  return [...files].toSorted();
}

function parsed(file: string): Module {
  const { program, module, errors } = parseSync(file, readFileSync(file, "utf8"));
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]?.message ?? ""}`);
  const imports = module.staticImports.map(({ moduleRequest }) => moduleRequest.value);
  return { program, imports };
}

function textsIn(file: string, textsOf: (node: Node) => string[]): string[] {
  const texts: string[] = [];
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(walk);
    else if (isNode(value) && value.type !== "ImportDeclaration") {
      texts.push(...textsOf(value));
      Object.values(value).forEach(walk);
    }
  };
  walk(parsed(file).program.body);
  return texts.filter((text) => text !== "");
}

const isNode = (value: unknown): value is Node =>
  typeof value === "object" && value !== null && "type" in value;

function shownByElements(node: Node): string[] {
  switch (node.type) {
    case "JSXIdentifier":
      return [String(node["name"])];
    case "JSXText":
      return [String(node["value"]).trim()];
    default:
      return literal(node);
  }
}

function literal(node: Node): string[] {
  if (node.type === "Literal" && typeof node["value"] === "string") return [node["value"]];
  if (node.type !== "TemplateElement") return [];
  return [(node["value"] as { cooked: string }).cooked];
}

function printed(node: Node): string[] {
  const { callee, arguments: given } = node as { callee?: Node; arguments?: Node[] };
  const name = (callee?.["property"] as Node | undefined)?.["name"];
  const [first] = given ?? [];
  if (node.type !== "CallExpression" || first === undefined || !PRINTS.has(String(name))) return [];
  return first.type === "TemplateLiteral"
    ? (first["quasis"] as Node[]).flatMap(literal)
    : literal(first);
}
