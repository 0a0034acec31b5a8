import type { JsonObject } from "@viable/kernel";
import type { Argument, Command, Option } from "commander";

/** A word that could stand there, and what it is. */
export interface Candidate {
  readonly word: string;
  readonly about?: string;
}

/** What could stand where a line is completed: these words, or whatever files or folders there are. */
export type Completion =
  | { readonly kind: "words"; readonly candidates: readonly Candidate[] }
  | { readonly kind: "files" | "folders" };

/** What only a running system knows: of what kind the missing word is, and what stands before it. */
export interface Wanted {
  /** As the command line names it: `execution`, `service`, `command` … */
  readonly what: string;
  /** The verb, such as `executions show`. */
  readonly verb: string;
  readonly words: readonly string[];
  /** How the missing word begins. */
  readonly begins: string;
  /** The options of the verb that say which system is meant. */
  readonly options: { readonly url?: string; readonly config?: string };
}

/** Asks a running system; answers nothing where that cannot tell. */
export interface Known {
  words(wanted: Wanted): Promise<readonly Candidate[]>;
  /** The JSON Schema of what a command or a query takes. */
  input(wanted: Wanted, name: string): Promise<JsonObject | undefined>;
}

/** More than this nobody reads through. */
const maxCandidates = 200;
/** Words with others in them would have to be quoted, in each shell another way. */
const typeable = /^[\w@%+=:,./-]+$/;

interface Place {
  readonly command: Command;
  readonly verb: string;
  readonly words: string[];
  readonly options: Record<string, string>;
  /** The option whose value is missing. */
  readonly option: Option | undefined;
  /** The argument of a command of the system whose value is missing. */
  readonly argument: string | undefined;
  readonly used: ReadonlySet<string>;
  readonly afterDashes: boolean;
}

/**
 * What the last of the words, which may be empty, could become. A pure function of the verbs there are, the words, and what is known of a running
 * system. Never more than 200, and none that a shell would have to quote.
 */
export async function completeWords(program: Command, given: readonly string[], known: Known): Promise<Completion> {
  const { words, current, keeps } = joinEquals(given);
  const place = findPlace(program, words);
  const equals = current.startsWith("--") ? current.indexOf("=") : -1;
  const found =
    equals === -1
      ? await findAt(place, current, known)
      : await findValue(
          { ...place, ...optionNamed(place, current.slice(0, equals)) },
          current.slice(equals + 1),
          known,
        );
  if (found.kind !== "words") return found;
  const before = equals === -1 || keeps ? "" : current.slice(0, equals + 1);
  const begins = equals === -1 ? current : current.slice(equals + 1);
  const candidates = found.candidates
    .filter(({ word }) => word.startsWith(begins) && typeable.test(word))
    .slice(0, maxCandidates)
    .map((each) => ({ ...each, word: before + each.word }));
  return { kind: "words", candidates };
}

/** bash takes `--output=json` for three words, and wants the last of them alone. */
function joinEquals(given: readonly string[]): { words: string[]; current: string; keeps: boolean } {
  const words: string[] = [];
  let keeps = false;
  for (let index = 0; index < given.length; index++) {
    const word = given[index] ?? "";
    keeps = word === "=" && (words.at(-1)?.startsWith("--") ?? false) && index > 0;
    if (!keeps) {
      words.push(word);
      continue;
    }
    index += 1;
    words.push(`${words.pop()}=${given[index] ?? ""}`);
  }
  return { words: words.slice(0, -1), current: words.at(-1) ?? "", keeps };
}

/** Where in the command line the words lead. */
function findPlace(program: Command, given: readonly string[]): Place {
  let command = program;
  const path: string[] = [];
  const words: string[] = [];
  const options: Record<string, string> = {};
  const used = new Set<string>();
  let option: Option | undefined;
  let argument: string | undefined;
  let afterDashes = false;
  for (const word of given) {
    if (option !== undefined) {
      if (option.long) options[option.long.slice(2)] = word;
      option = undefined;
    } else if (argument !== undefined && !word.startsWith("--")) {
      argument = undefined;
    } else if (word === "--" && !afterDashes) {
      afterDashes = true;
    } else if (word.startsWith("-") && word !== "-") {
      const [name = "", value] = word.split("=", 2);
      argument = undefined;
      const known = afterDashes
        ? undefined
        : command.options.find(({ long, short }) => long === name || short === name);
      used.add(name);
      if (value !== undefined) options[name.slice(2)] = value;
      else if (known !== undefined && (known.required || known.optional)) option = known;
      else if (known === undefined && takesAny(command) && words.length > 0) argument = name;
    } else {
      const under = words.length === 0 ? command.commands.find((each) => namesOf(each).includes(word)) : undefined;
      if (under === undefined) words.push(word);
      else {
        command = under;
        path.push(under.name());
      }
    }
  }
  return { command, verb: path.join(" "), words, options, option, argument, used, afterDashes };
}

const namesOf = (command: Command): readonly string[] => [command.name(), ...command.aliases()];

/** Whether what follows are the arguments of a command of the system. */
const takesAny = (command: Command): boolean => ["exec", "ask"].includes(command.name());

function optionNamed({ command, words }: Place, name: string): Pick<Place, "option" | "argument"> {
  const option = command.options.find(({ long }) => long === name);
  if (option !== undefined) return { option, argument: undefined };
  return { option: undefined, argument: takesAny(command) && words.length > 0 ? name : undefined };
}

async function findAt(place: Place, current: string, known: Known): Promise<Completion> {
  const { command, words, option } = place;
  if (option !== undefined) return await findValue(place, current, known);
  if (place.argument !== undefined && !current.startsWith("--")) {
    const value = await findValue(place, current, known);
    if (value.kind !== "words" || value.candidates.length > 0) return value;
  }
  if (current.startsWith("-")) return ofWords(await optionsOf(place, known));
  const verbs = words.length === 0 ? command.createHelp().visibleCommands(command) : [];
  const argument = argumentAt(command, words.length);
  if (argument === undefined || (takesAny(command) && words.length > 0))
    return ofWords(verbs.filter((each) => each.name() !== "help").map(toCandidate));
  const found = await findNamed(place, argument.name(), argument.argChoices, current, known);
  if (found.kind !== "words" || verbs.length === 0) return found;
  return ofWords([...verbs.map(toCandidate), ...found.candidates]);
}

const toCandidate = (command: Command): Candidate => ({ word: command.name(), about: command.description() });

function argumentAt(command: Command, index: number): Argument | undefined {
  const all = command.registeredArguments;
  return all[index] ?? (all.at(-1)?.variadic ? all.at(-1) : undefined);
}

async function optionsOf(place: Place, known: Known): Promise<Candidate[]> {
  const { command, used, afterDashes, words } = place;
  const own = command
    .createHelp()
    .visibleOptions(command)
    .flatMap(({ long, description, variadic }) =>
      long === undefined || long === null || (used.has(long) && !variadic) ? [] : [{ word: long, about: description }],
    );
  if (!takesAny(command) || words[0] === undefined) return own;
  const input = await known.input(wantedOf(place, command.name() === "ask" ? "query" : "command", ""), words[0]);
  const args = Object.entries(propertiesOf(input)).flatMap(([name, schema]) => {
    const word = `--${toKebab(name)}`;
    return used.has(word) ? [] : [{ word, about: String(schema.description ?? "") }];
  });
  return afterDashes ? args : [...args, ...own.filter(({ word }) => !args.some((each) => each.word === word))];
}

/** The value of the option or the argument that the words end with. */
async function findValue(place: Place, current: string, known: Known): Promise<Completion> {
  const { command, option, argument, words } = place;
  if (option !== undefined)
    return await findNamed(
      place,
      option.long?.slice(2) ?? "",
      option.argChoices,
      current,
      known,
      placeholderOf(option),
    );
  if (argument === undefined) return ofWords([]);
  const input = await known.input(wantedOf(place, command.name() === "ask" ? "query" : "command", ""), words[0] ?? "");
  const properties = propertiesOf(input);
  const name = Object.keys(properties).find((each) => [each, toKebab(each)].includes(argument.slice(2)));
  if (name === "path" || name === "file") return { kind: "files" };
  const { enum: literals = [], type } = properties[name ?? ""] ?? {};
  if (type === "boolean") return ofWords([]);
  return ofWords(
    Array.isArray(literals) ? literals.filter((each) => typeof each === "string").map((word) => ({ word })) : [],
  );
}

/** `file` of `--seals <file>` */
const placeholderOf = ({ flags }: Option): string => /<([a-z]+)(?:\.\.\.)?>/.exec(flags)?.[1] ?? "";

async function findNamed(
  place: Place,
  name: string,
  choices: readonly string[] | undefined,
  current: string,
  known: Known,
  placeholder = name,
): Promise<Completion> {
  if (choices !== undefined) return ofWords(choices.map((word) => ({ word })));
  if (placeholder === "file") return { kind: "files" };
  if (placeholder === "folder") return { kind: "folders" };
  return ofWords(await known.words(wantedOf(place, name, current)));
}

const wantedOf = ({ verb, words, options }: Place, what: string, begins: string): Wanted => ({
  what,
  verb,
  words,
  begins,
  options: {
    ...(options.url !== undefined && { url: options.url }),
    ...(options.config !== undefined && { config: options.config }),
  },
});

const ofWords = (candidates: readonly Candidate[]): Completion => ({ kind: "words", candidates });

const propertiesOf = (input: JsonObject | undefined): Readonly<Record<string, JsonObject>> =>
  typeof input?.properties === "object" && input.properties !== null
    ? (input.properties as Record<string, JsonObject>)
    : {};

/** `maxWords` is given as `--max-words`. */
const toKebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
