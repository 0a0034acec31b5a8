/**
 * What a plan says of a condition, as PostgreSQL writes it (`((t.a = 5) AND (lower(t.b) = 'x'::text))`, every column with its table's
 * alias), taken apart as far as an index is concerned: which columns are compared with something known, and how. What cannot be read is
 * no column of any index.
 */

export interface ConditionColumn {
  readonly name: string;
  /** As it is written in SQL, in quotes where it needs them. */
  readonly sql: string;
}

export interface Condition {
  readonly text: string;
  readonly columns: readonly ConditionColumn[];
  /** What is compared: a column, or something made of columns, such as `lower(t.b)`. */
  readonly subject: { readonly kind: "column" } | { readonly kind: "expression"; readonly sql: string };
  /** `equality` fixes a value, `range` leaves a part of an order, `prefix` the beginning of a text; `other` is nothing that an ordered index knows. */
  readonly test: "equality" | "range" | "prefix" | "other";
  /** Whether what is compared was turned into text first, which changes nothing of a `varchar`, and much of anything else. */
  readonly isCastToText?: boolean;
  /** Of conditions one of which must hold, what must all hold for each. */
  readonly alternatives?: readonly (readonly Condition[])[];
}

/** The conditions that must all hold, of the table that goes by `alias` there; any column is one of it where none is named. */
export function readConditions(text: string | undefined, alias?: string): Condition[] {
  return text === undefined ? [] : readAll(tokensOf(text), alias);
}

const readAll = (tokens: readonly Token[], alias: string | undefined): Condition[] =>
  splitAt("AND", strip(tokens)).map((each) => readCondition(each, alias));

interface Token {
  readonly kind: "space" | "text" | "name" | "number" | "operator" | "sign";
  readonly text: string;
}

const tokenKinds: readonly (readonly [Token["kind"], RegExp])[] = [
  ["space", /\s+/y],
  ["text", /'(?:[^']|'')*'/y],
  ["name", /"(?:[^"]|"")*"|[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y],
  ["number", /\$?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y],
  ["operator", /[-+*/<>=~!@#%^&|`?]+/y],
  ["sign", /::|./sy],
];

function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  for (let at = 0; at < text.length; ) {
    for (const [kind, pattern] of tokenKinds) {
      pattern.lastIndex = at;
      const found = pattern.exec(text);
      if (found === null) continue;
      tokens.push({ kind, text: found[0] });
      at += found[0].length;
      break;
    }
  }
  return tokens;
}

const write = (tokens: readonly Token[]): string =>
  tokens
    .map((token) => token.text)
    .join("")
    .trim();

/** The same without spaces around it and brackets around all of it. */
function strip(tokens: readonly Token[]): readonly Token[] {
  let [from, to] = [0, tokens.length];
  while (tokens[from]?.kind === "space") from++;
  while (tokens[to - 1]?.kind === "space") to--;
  const inner = tokens.slice(from, to);
  if (inner[0]?.text !== "(" || depths(inner).indexOf(0) !== inner.length - 1) return inner;
  return strip(inner.slice(1, -1));
}

/** How many brackets are open after each token. */
function depths(tokens: readonly Token[]): number[] {
  let depth = 0;
  return tokens.map(({ kind, text }) => {
    if (kind === "sign" && (text === "(" || text === "[")) depth++;
    if (kind === "sign" && (text === ")" || text === "]")) depth--;
    return depth;
  });
}

/** The first token outside of all brackets that is looked for. */
function findOutside(tokens: readonly Token[], isIt: (token: Token) => boolean): number {
  const depth = depths(tokens);
  return tokens.findIndex((token, index) => depth[index] === 0 && isIt(token));
}

const isWord = (word: string) => (token: Token) => token.kind === "name" && token.text === word;

function splitAt(word: "AND" | "OR", tokens: readonly Token[]): (readonly Token[])[] {
  const at = findOutside(tokens, isWord(word));
  if (at < 0) return [strip(tokens)];
  return [...splitAt(word, strip(tokens.slice(0, at))), ...splitAt(word, strip(tokens.slice(at + 1)))];
}

function readCondition(tokens: readonly Token[], alias: string | undefined): Condition {
  const [text, columns] = [write(tokens), columnsOf(tokens, alias)];
  const other: Condition = { text, columns, subject: { kind: "expression", sql: text }, test: "other" };
  if (columns.length === 0) return other;
  if (findOutside(tokens, isWord("OR")) >= 0) {
    return { ...other, alternatives: splitAt("OR", tokens).map((each) => readAll(each, alias)) };
  }
  // A column that is true or false by itself.
  const flag = strip(isWord("NOT")(tokens[0] ?? { kind: "space", text: "" }) ? tokens.slice(1) : tokens);
  if (asColumns(flag, alias) !== undefined) return { text, columns, subject: { kind: "column" }, test: "equality" };
  const at = findOutside(tokens, (token) => token.kind === "operator" || isWord("IS")(token));
  if (at < 0) return readFunction(tokens, alias) ?? other;
  const [left, right] = [strip(tokens.slice(0, at)), strip(tokens.slice(at + 1))];
  const operator = (tokens[at] as Token).text;
  if (isKnown(right, alias)) return compared(left, testOf(operator, right), text, alias) ?? other;
  if (isKnown(left, alias)) return compared(right, testOf(operator, left), text, alias) ?? other;
  return other;
}

/** `starts_with(t.b, 'abc'::text)`, which an index serves as it does `LIKE 'abc%'`. */
function readFunction(tokens: readonly Token[], alias: string | undefined): Condition | undefined {
  const [name, open] = tokens;
  if (name?.text !== "starts_with" || open?.text !== "(") return undefined;
  const args = tokens.slice(2, -1);
  const comma = findOutside(args, (token) => token.text === ",");
  const [subject, beginning] = [strip(args.slice(0, comma)), strip(args.slice(comma + 1))];
  return isKnown(beginning, alias) ? compared(subject, "prefix", write(tokens), alias) : undefined;
}

/** Functions that answer anew for each row, so that there is no value to look up. */
const volatileFunctions = ["random", "clock_timestamp", "timeofday", "gen_random_uuid", "nextval"];

/** Whether it is the same for every row of the table: nothing of the row is in it, and nothing that is found out row by row. */
const isKnown = (tokens: readonly Token[], alias: string | undefined): boolean =>
  columnsOf(tokens, alias).length === 0 &&
  !tokens.some(
    (token, index) =>
      isWord("SubPlan")(token) || (volatileFunctions.includes(token.text) && tokens[index + 1]?.text === "("),
  );

/** What every row has beside its columns; no index can be made of it. */
const systemColumns = ["xmin", "xmax", "cmin", "cmax", "ctid", "tableoid"];

/** Something made of columns, compared with what has none; undefined where no index could hold it. */
function compared(
  tokens: readonly Token[],
  test: Condition["test"],
  text: string,
  alias: string | undefined,
): Condition | undefined {
  const columns = columnsOf(tokens, alias);
  if (columns.length === 0 || columns.some(({ name }) => systemColumns.includes(name))) return undefined;
  const alone = asColumns(tokens, alias);
  if (alone !== undefined) {
    // Of a row that is compared at once an index serves the order.
    if (alone.length > 1 && test !== "range") return undefined;
    const isCastToText = findOutside(tokens, (token) => token.text === "::") >= 0;
    return { text, columns: alone, subject: { kind: "column" }, test, ...(isCastToText && { isCastToText }) };
  }
  // A row of expressions is no value, and an index holds nothing of another table.
  if (isWord("ROW")(tokens[0] as Token) || columnsOf(tokens, undefined).length > columns.length) return undefined;
  return { text, columns, subject: { kind: "expression", sql: unqualified(tokens) }, test };
}

function testOf(operator: string, known: readonly Token[]): Condition["test"] {
  const value = write(known);
  if (operator === "IS") return ["NULL", "TRUE", "FALSE"].includes(value.toUpperCase()) ? "equality" : "other";
  if (operator === "=") return "equality";
  if (["<", "<=", ">", ">="].includes(operator)) return "range";
  // LIKE with something before its first sign that stands for anything.
  if (operator === "~~" && /^'[^%_\\]/.test(value)) return "prefix";
  if (operator === "^@" && value.startsWith("'")) return "prefix";
  // A pattern that begins with two letters: only the last of them may be there never, or more than once.
  if (operator === "~" && /^'\^[A-Za-z0-9 _-]{2}[^|]*$/.test(value)) return "prefix";
  return "other";
}

/** A column alone, also as the text that it is already: so PostgreSQL writes a `varchar`. Or several, as a row. */
function asColumns(tokens: readonly Token[], alias: string | undefined): readonly ConditionColumn[] | undefined {
  if (isWord("ROW")(tokens[0] ?? { kind: "space", text: "" })) {
    const columns = columnsOf(tokens, alias);
    // ROW, brackets, and for each column its alias, a point, its name, and between two of them a comma.
    const signs = tokens.filter(({ kind }) => kind !== "space").length;
    return signs === 3 + 3 * columns.length + (columns.length - 1) ? columns : undefined;
  }
  const cast = findOutside(tokens, (token) => token.text === "::");
  if (cast >= 0 && write(tokens.slice(cast + 1)) !== "text") return undefined;
  const bare = strip(cast >= 0 ? tokens.slice(0, cast) : tokens);
  const columns = columnsOf(bare, alias);
  return bare.length === 3 && columns.length === 1 ? columns : undefined;
}

/** The columns in it: names behind a point that are neither functions nor types. Each once. */
function columnsOf(tokens: readonly Token[], alias: string | undefined): ConditionColumn[] {
  const found = new Map<string, ConditionColumn>();
  tokens.forEach((token, index) => {
    const [cast, table, point, after] = [tokens[index - 3], tokens[index - 2], tokens[index - 1], tokens[index + 1]];
    if (token.kind !== "name" || point?.text !== "." || table?.kind !== "name" || after?.text === "(") return;
    if (cast?.text === "::" || (alias !== undefined && bareName(table) !== alias)) return;
    found.set(`${table.text}.${token.text}`, { name: bareName(token), sql: token.text });
  });
  return [...found.values()];
}

const bareName = ({ text }: Token): string => (text.startsWith('"') ? text.slice(1, -1).replaceAll('""', '"') : text);

/** The same without the aliases before its columns, as an index would have it. Functions of other schemas keep theirs. */
function unqualified(tokens: readonly Token[]): string {
  const kept = tokens.filter((_, index) => !isQualifier(tokens, index) && !isQualifier(tokens, index - 1));
  return write(kept);
}

/** Whether it is a name before a point that can be left out: a column's table, or the schema of what every database has. */
function isQualifier(tokens: readonly Token[], index: number): boolean {
  const [cast, token, point, name, after] = [-1, 0, 1, 2, 3].map((offset) => tokens[index + offset]);
  if (token?.kind !== "name" || point?.text !== "." || name?.kind !== "name") return false;
  return (after?.text !== "(" && cast?.text !== "::") || token.text === "pg_catalog";
}
