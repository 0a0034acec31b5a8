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
}

/** The conditions that must all hold. */
export function readConditions(text: string | undefined): Condition[] {
  return text === undefined ? [] : splitAtAnd(strip(tokensOf(text))).map(readCondition);
}

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

function splitAtAnd(tokens: readonly Token[]): (readonly Token[])[] {
  const at = findOutside(tokens, isWord("AND"));
  if (at < 0) return [strip(tokens)];
  return [...splitAtAnd(strip(tokens.slice(0, at))), ...splitAtAnd(strip(tokens.slice(at + 1)))];
}

function readCondition(tokens: readonly Token[]): Condition {
  const [text, columns] = [write(tokens), columnsOf(tokens)];
  const other: Condition = { text, columns, subject: { kind: "expression", sql: text }, test: "other" };
  if (columns.length === 0 || findOutside(tokens, isWord("OR")) >= 0) return other;
  // A column that is true or false by itself.
  const flag = strip(isWord("NOT")(tokens[0] ?? { kind: "space", text: "" }) ? tokens.slice(1) : tokens);
  if (asColumn(flag) !== undefined) return { text, columns, subject: { kind: "column" }, test: "equality" };
  const at = findOutside(tokens, (token) => token.kind === "operator" || isWord("IS")(token));
  if (at < 0) return other;
  const [left, right] = [strip(tokens.slice(0, at)), strip(tokens.slice(at + 1))];
  const operator = (tokens[at] as Token).text;
  if (columnsOf(right).length === 0) return compared(left, testOf(operator, right), text);
  if (columnsOf(left).length === 0) return compared(right, testOf(operator, left), text);
  return other;
}

/** Something made of columns, compared with what has none. */
function compared(tokens: readonly Token[], test: Condition["test"], text: string): Condition {
  const columns = columnsOf(tokens);
  const isColumn = asColumn(tokens) !== undefined;
  return {
    text,
    columns,
    subject: isColumn ? { kind: "column" } : { kind: "expression", sql: unqualified(tokens) },
    test,
  };
}

function testOf(operator: string, known: readonly Token[]): Condition["test"] {
  const isNegated = known.some(isWord("NOT"));
  if (operator === "IS") return isNegated ? "other" : "equality";
  if (operator === "=") return "equality";
  if (["<", "<=", ">", ">="].includes(operator)) return "range";
  // LIKE with something before its first sign that stands for anything.
  if (operator === "~~" && /^'[^%_\\']/.test(write(known))) return "prefix";
  return "other";
}

/** A column alone, also as the text that it is already: so PostgreSQL writes a `varchar`. */
function asColumn(tokens: readonly Token[]): ConditionColumn | undefined {
  const cast = findOutside(tokens, (token) => token.text === "::");
  if (cast >= 0 && write(tokens.slice(cast + 1)) !== "text") return undefined;
  const bare = strip(cast >= 0 ? tokens.slice(0, cast) : tokens);
  const [column] = columnsOf(bare);
  return bare.length === 3 ? column : undefined;
}

/** The columns in it: names behind a point that are no functions. Each once. */
function columnsOf(tokens: readonly Token[]): ConditionColumn[] {
  const found = new Map<string, ConditionColumn>();
  tokens.forEach((token, index) => {
    const [alias, point, after] = [tokens[index - 2], tokens[index - 1], tokens[index + 1]];
    if (token.kind !== "name" || point?.text !== "." || alias?.kind !== "name" || after?.text === "(") return;
    const name = token.text.startsWith('"') ? token.text.slice(1, -1).replaceAll('""', '"') : token.text;
    found.set(name, { name, sql: token.text });
  });
  return [...found.values()];
}

/** The same without the aliases before its columns, as an index would have it. */
function unqualified(tokens: readonly Token[]): string {
  const kept = tokens.filter((token, index) => {
    const [point, column] = [tokens[index + 1], tokens[index + 2]];
    if (token.kind === "name" && point?.text === "." && column?.kind === "name") return false;
    return !(
      token.text === "." &&
      column !== undefined &&
      tokens[index - 1]?.kind === "name" &&
      point?.kind === "name"
    );
  });
  return write(kept);
}
