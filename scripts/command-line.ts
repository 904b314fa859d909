import { parseArgs } from "node:util";

/** `value`: what an option of type `string` takes, as the help shows it. */
type CommandOption = {
  type: "string" | "boolean";
  about: string;
  value?: string;
  default?: string | boolean;
};

/** A command of `package.json`. */
export type NpmCommand = {
  /** Its name in `package.json`. */
  name: string;
  /** What it does, in a sentence or two. */
  about: string;
  options?: Record<string, CommandOption>;
  /** What it takes besides options. Without this an argument is an error. */
  positionals?: { name: string; about: string };
  /** Variables of the environment that it reads. */
  variables?: Record<string, string>;
};

type OptionsOf<Of extends NpmCommand> =
  Of["options"] extends Record<string, CommandOption> ? Of["options"] : Record<string, never>;
type Parsed<Of extends NpmCommand> = ReturnType<
  typeof parseArgs<{ options: OptionsOf<Of>; allowPositionals: true }>
>;

export type CommandLine<Of extends NpmCommand> =
  | { tag: "help"; text: string }
  /** `message` names the argument that is wrong. */
  | { tag: "wrong"; message: string }
  | { tag: "run"; values: Parsed<Of>["values"]; positionals: string[] };

const WIDTH = 80;

/** Reads the arguments of a command, which are in `args` without the program and the script. */
export function parsedArguments<const Of extends NpmCommand>(
  command: Of,
  args: string[],
): CommandLine<Of> {
  if (args.includes("--help") || args.includes("-h")) return { tag: "help", text: helpOf(command) };
  try {
    const { values, positionals } = parseArgs({
      args,
      options: command.options ?? {},
      allowPositionals: command.positionals !== undefined,
    });
    return { tag: "run", values: values as Parsed<Of>["values"], positionals };
  } catch (error) {
    // Its further sentences explain how to pass an argument that looks like an option.
    const [message = ""] = (error as Error).message.split(/\. |\.$/);
    return { tag: "wrong", message: `${message}. ${runs(command)} -- --help lists the options` };
  }
}

/**
 * Reads the arguments of this process. Prints the help and ends it for `--help`; prints what is
 * wrong and ends it with 1 for an unknown option.
 */
export function commandLine<const Of extends NpmCommand>(
  command: Of,
): Extract<CommandLine<Of>, { tag: "run" }> {
  const parsed = parsedArguments(command, process.argv.slice(2));
  switch (parsed.tag) {
    case "run":
      return parsed;
    case "help":
      process.stdout.write(parsed.text);
      return process.exit(0);
    case "wrong":
      return refuse(parsed.message);
  }
}

/** Prints what is wrong with the arguments, and ends this process with 1. */
export function refuse(message: string): never {
  process.stderr.write(`luna: ${message}\n`);
  return process.exit(1);
}

/** Prints why a command failed, and lets the process end with 1. */
export function reportFailure(error: unknown): void {
  process.stderr.write(`luna: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}

const runs = ({ name }: NpmCommand): string => (name === "start" ? "npm start" : `npm run ${name}`);

function helpOf(command: NpmCommand): string {
  const { about, options = {}, positionals, variables = {} } = command;
  const takes = [...(positionals === undefined ? [] : [positionals.name]), "[options]"];
  const usage = `${runs(command)} -- ${takes.join(" ")}`;
  const optionRows = Object.entries(options).map(([name, option]): [string, string] => [
    option.type === "string" ? `--${name} ${option.value ?? "<value>"}` : `--${name}`,
    typeof option.default === "string" ? `${option.about} (${option.default})` : option.about,
  ]);
  const rows: [string, string][] = [
    ...(positionals === undefined
      ? []
      : [[positionals.name, positionals.about] as [string, string]]),
    ...optionRows,
    ["--help", "this text"],
  ];
  const variableRows = Object.entries(variables);
  const width = Math.max(...[...rows, ...variableRows].map(([name]) => name.length)) + 4;
  const indent = `\n${" ".repeat(width)}`;
  const list = (of: [string, string][]): string =>
    of
      .map(([name, text]) => {
        const lines = wrapped(text, WIDTH - width);
        return `${`  ${name}`.padEnd(width)}${lines.join(indent)}\n`;
      })
      .join("");
  const environment = variableRows.length === 0 ? "" : `\nEnvironment:\n${list(variableRows)}`;
  return `${usage}\n\n${wrapped(about, WIDTH).join("\n")}\n\n${list(rows)}${environment}`;
}

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
