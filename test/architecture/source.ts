import { parseSync, Visitor } from "oxc-parser";

/** A module that a source file names, and where. */
export interface Specifier {
  readonly value: string;
  readonly line: number;
  /** What is imported by name, as it is called there; empty where the module is taken whole. */
  readonly names: readonly string[];
}

/** A name of the surrounding machine that a source file uses: `Date.now`, `setTimeout`, `process.env`. */
export interface Use {
  readonly name: string;
  readonly line: number;
}

export interface Source {
  readonly specifiers: readonly Specifier[];
  readonly uses: readonly Use[];
  /** The text of comments, and of the names given to tests and groups of tests. */
  readonly remarks: readonly string[];
}

/** Objects whose members are told apart. Of every other object the members are its own business. */
const watchedObjects = new Set(["Date", "Math", "performance", "crypto", "process", "AbortSignal", "globalThis"]);
/** Names that stand by themselves. */
const watchedNames = new Set(["setTimeout", "setInterval", "setImmediate", "randomUUID", "randomBytes"]);

const cache = new Map<string, Source>();

/** Reads one source file with a parser: a pattern would find imports in strings and miss them over line breaks. */
export function readSource(path: string, text: string): Source {
  const key = `${path}\n${text}`;
  const known = cache.get(key);
  if (known !== undefined) return known;
  const source = parse(path, text);
  cache.set(key, source);
  return source;
}

function parse(path: string, text: string): Source {
  const { program, comments, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path} does not parse: ${errors[0]?.message}`);
  const specifiers: Specifier[] = [];
  const uses: Use[] = [];
  const remarks = comments.map((comment) => comment.value);
  const lineOf = createLineIndex(text);
  const addSpecifier = (node: unknown, start: number, names: readonly string[] = []): void => {
    const value = literalOf(node);
    if (value !== undefined) specifiers.push({ value, line: lineOf(start), names });
  };
  const addUse = (name: string, start: number): void => {
    const line = lineOf(start);
    if (!uses.some((use) => use.name === name && use.line === line)) uses.push({ name, line });
  };

  new Visitor({
    ImportDeclaration(node) {
      const module = node.source.value;
      const names = node.specifiers.flatMap((each) =>
        each.type === "ImportSpecifier" ? (nameOf(each.imported) ?? []) : [],
      );
      addSpecifier(node.source, node.start, names);
      // The environment and timers imported by name are used as much as those reached through an object.
      if (module === "node:process") for (const name of names) addUse(`process.${name}`, node.start);
      if (module.startsWith("node:timers")) addUse(module, node.start);
    },
    ExportNamedDeclaration: (node) => addSpecifier(node.source, node.start),
    ExportAllDeclaration: (node) => addSpecifier(node.source, node.start),
    ImportExpression: (node) => addSpecifier(node.source, node.start),
    TSImportType: (node) => addSpecifier(node.source, node.start),
    CallExpression(node) {
      const callee = calleeOf(node.callee);
      if (callee === "require" || callee === "import.meta.resolve") addSpecifier(node.arguments[0], node.start);
      const name = node.arguments[0];
      if (name !== undefined && (callee === "it" || callee === "test" || callee === "describe")) {
        remarks.push(text.slice(name.start, name.end));
      }
    },
    NewExpression(node) {
      const callee = nameOf(node.callee);
      if (callee === "Date" && node.arguments.length === 0) addUse("new Date()", node.start);
      if (callee === "URL" && isImportMetaUrl(node.arguments[1])) addSpecifier(node.arguments[0], node.start);
    },
    MemberExpression(node) {
      const object = nameOf(node.object);
      const member = node.computed ? literalOf(node.property) : nameOf(node.property);
      if (object === undefined || member === undefined || !watchedObjects.has(object)) return;
      addUse(object === "globalThis" ? member : `${object}.${member}`, node.start);
    },
    Identifier(node) {
      if (watchedNames.has(node.name) && !isMemberName(text, node.start)) addUse(node.name, node.start);
    },
  }).visit(program);
  return { specifiers, uses, remarks };
}

/** Whether an identifier comes after a dot: then it is somebody's member, and `MemberExpression` has judged it. */
const isMemberName = (text: string, start: number): boolean =>
  /[.#]\s*$/.test(text.slice(Math.max(0, start - 8), start));

const nameOf = (node: unknown): string | undefined =>
  isNode(node) && node.type === "Identifier" ? String(node.name) : undefined;

/** The text of a string that is known without running the program. */
function literalOf(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === "Literal" && typeof node.value === "string") return node.value;
  if (node.type === "TSLiteralType") return literalOf(node.literal);
  if (node.type === "TemplateLiteral") {
    const quasis = node.quasis as { value: { cooked: string | null } }[];
    return quasis.length === 1 ? (quasis[0]?.value.cooked ?? undefined) : undefined;
  }
  return undefined;
}

/** `it`, also of `it.each(…)`, `describe.skip`; `import.meta.resolve`. */
function calleeOf(node: unknown): string | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === "MemberExpression") {
    const object = node.object;
    if (isNode(object) && object.type === "MetaProperty" && nameOf(node.property) === "resolve")
      return "import.meta.resolve";
    return calleeOf(object);
  }
  if (node.type === "CallExpression") return calleeOf(node.callee);
  return nameOf(node);
}

const isImportMetaUrl = (node: unknown): boolean =>
  isNode(node) &&
  node.type === "MemberExpression" &&
  isNode(node.object) &&
  node.object.type === "MetaProperty" &&
  nameOf(node.property) === "url";

interface Node {
  readonly type: string;
  readonly [field: string]: unknown;
}

const isNode = (value: unknown): value is Node => typeof value === "object" && value !== null && "type" in value;

function createLineIndex(text: string): (offset: number) => number {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return (offset) => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] as number) <= offset) low = middle;
      else high = middle - 1;
    }
    return low + 1;
  };
}
