import type ts from "typescript-api";
import { lineOf, type TypeScript, visitNodes } from "../../source/parse-script.ts";

export type RiskKind =
  | "eval"
  | "shell"
  | "markup"
  | "tls"
  | "weak_hash"
  | "weak_cipher"
  | "slow_pattern"
  | "dynamic_code_path";

export type Risk = {
  readonly line: number;
  readonly kind: RiskKind;
  /** What is written there: the call or the member, without its values. */
  readonly what: string;
  readonly reason: string;
};

/**
 * Finds calls that are dangerous when what they are given comes from outside. Judged by syntax alone: whether it does come
 * from outside is for the reader, who is led to the line.
 */
export function findRisks(typescript: TypeScript, source: ts.SourceFile): Risk[] {
  const found: Risk[] = [];
  const file: File = {
    typescript,
    processNames: readImportedNames(typescript, source, /^(node:)?child_process$/),
    vmNames: readImportedNames(typescript, source, /^(node:)?vm$/),
  };
  visitNodes(typescript, source, (node) => {
    const judged = judge(file, node);
    if (judged !== undefined) found.push({ line: lineOf(source, node), ...judged });
  });
  return found;
}

/** What rules need to know of the file around a node. */
interface File {
  readonly typescript: TypeScript;
  readonly processNames: ImportedNames;
  readonly vmNames: ImportedNames;
}

type Judgement = Omit<Risk, "line"> | undefined;

function judge(file: File, node: ts.Node): Judgement {
  const { typescript } = file;
  if (typescript.isCallExpression(node) || typescript.isNewExpression(node)) return judgeCall(file, node);
  if (typescript.isBinaryExpression(node)) return judgeAssignment(file, node);
  if (typescript.isPropertyAssignment(node)) return judgeProperty(file, node);
  if (typescript.isJsxAttribute(node)) {
    return typescript.isIdentifier(node.name) ? judgeMarkupProperty(node.name.text) : undefined;
  }
  return typescript.isRegularExpressionLiteral(node) ? judgePattern(node.text) : undefined;
}

/** A call as the rules look at it: `object.member(args)`, or `member(args)` with no object. */
interface Call {
  readonly object: string | undefined;
  readonly member: string;
  readonly isNew: boolean;
  readonly isGlobal: boolean;
  readonly args: readonly ts.Expression[];
}

function judgeCall(file: File, node: ts.CallExpression | ts.NewExpression): Judgement {
  const { object, member } = calleeOf(file.typescript, node.expression);
  if (member === undefined) return undefined;
  const call: Call = {
    object,
    member,
    isNew: file.typescript.isNewExpression(node),
    isGlobal: object === undefined || globals.has(object),
    args: node.arguments ?? [],
  };
  for (const rule of callRules) {
    const judged = rule(file, call);
    if (judged !== undefined) return judged;
  }
  return undefined;
}

const globals = new Set(["window", "globalThis", "global", "self"]);

const callRules: readonly ((file: File, call: Call) => Judgement)[] = [
  judgeEval,
  judgeVm,
  judgeProcess,
  judgeMarkupCall,
  judgeHash,
  judgeCipher,
  judgePatternCall,
  judgeRequire,
];

function judgeEval({ typescript }: File, { member, isGlobal, isNew, args }: Call): Judgement {
  if (!isGlobal) return undefined;
  if (member === "eval" && !isNew) return { kind: "eval", what: "eval", reason: "runs text as code" };
  if (member === "Function") return { kind: "eval", what: "new Function", reason: "runs text as code" };
  const isTimer = member === "setTimeout" || member === "setInterval";
  if (!isTimer || textOf(typescript, args[0]) === undefined) return undefined;
  return { kind: "eval", what: member, reason: "given text, runs it as code" };
}

function judgeVm({ vmNames }: File, { object, member }: Call): Judgement {
  if (!isFrom(vmNames, object, member, /^(runIn\w*Context|Script|compileFunction)$/)) return undefined;
  const reason = "runs text as code; a vm context is no boundary against hostile code";
  return { kind: "eval", what: `vm.${member}`, reason };
}

function judgeProcess({ typescript, processNames }: File, { object, member, args }: Call): Judgement {
  const isShell = isFrom(processNames, object, member, /^(exec|execSync)$/);
  const mayBeShell = isFrom(processNames, object, member, /^(spawn|spawnSync|execFile|execFileSync)$/);
  const withShell = mayBeShell && args.some((each) => hasTrueMember(typescript, each, "shell"));
  // A fixed text can be read by whoever reads the code; what is put together or handed in cannot.
  if (!(isShell || withShell) || isConstant(typescript, args[0])) return undefined;
  const reason = "hands a command that is put together at run time to a shell";
  return { kind: "shell", what: withShell ? `${member} with shell` : member, reason };
}

function judgeMarkupCall({ typescript }: File, { object, member, args }: Call): Judgement {
  const isWrite = object === "document" && (member === "write" || member === "writeln");
  const markup = isWrite ? args[0] : member === "insertAdjacentHTML" ? args[1] : undefined;
  if (isConstant(typescript, markup)) return undefined;
  return { kind: "markup", what: isWrite ? `document.${member}` : member, reason: writesMarkup };
}

const writesMarkup = "writes what it is given as markup";

function judgeHash({ typescript }: File, { member, args }: Call): Judgement {
  if (member !== "createHash" && member !== "createHmac") return undefined;
  const name = textOf(typescript, args[0]);
  if (name === undefined || !/^(md4|md5|sha-?1$|ripemd)/i.test(name)) return undefined;
  const reason = "is broken for signatures and passwords; fine for a checksum";
  return { kind: "weak_hash", what: `${member}(${name})`, reason };
}

function judgeCipher({ typescript }: File, { member, args }: Call): Judgement {
  if (!/^create(De)?[Cc]ipher(iv)?$/.test(member)) return undefined;
  const name = textOf(typescript, args[0]);
  if (name === undefined || !/^(des|rc2|rc4|bf|blowfish)|-ecb$/i.test(name)) return undefined;
  return { kind: "weak_cipher", what: `${member}(${name})`, reason: "is broken" };
}

function judgePatternCall({ typescript }: File, { member, isGlobal, args }: Call): Judgement {
  const pattern = isGlobal && member === "RegExp" ? textOf(typescript, args[0]) : undefined;
  return pattern === undefined ? undefined : judgePattern(pattern);
}

function judgeRequire({ typescript }: File, { object, member, args }: Call): Judgement {
  const isRequire = object === undefined && member === "require" && args.length === 1;
  if (!isRequire || isConstant(typescript, args[0])) return undefined;
  return { kind: "dynamic_code_path", what: "require", reason: "loads a module by a computed name" };
}

function judgePattern(pattern: string): Judgement {
  if (!hasNestedRepeat(pattern)) return undefined;
  const reason = "repeats a repetition: some texts take it exponential time";
  return { kind: "slow_pattern", what: "regular expression", reason };
}

function judgeAssignment({ typescript }: File, { operatorToken, left, right }: ts.BinaryExpression): Judgement {
  const { EqualsToken, PlusEqualsToken } = typescript.SyntaxKind;
  if (operatorToken.kind !== EqualsToken && operatorToken.kind !== PlusEqualsToken) return undefined;
  const { object, member } = calleeOf(typescript, left);
  if ((member === "innerHTML" || member === "outerHTML") && !isConstant(typescript, right)) {
    return { kind: "markup", what: member, reason: writesMarkup };
  }
  return object === "env" ? judgeTlsVariable(typescript, member, right) : undefined;
}

function judgeProperty({ typescript }: File, { name, initializer }: ts.PropertyAssignment): Judgement {
  const property = propertyName(typescript, name);
  if (property === "rejectUnauthorized" && initializer.kind === typescript.SyntaxKind.FalseKeyword) {
    return { kind: "tls", what: property, reason: "switches off the check of the server's certificate" };
  }
  return judgeMarkupProperty(property) ?? judgeTlsVariable(typescript, property, initializer);
}

function judgeMarkupProperty(name: string | undefined): Judgement {
  return name === "dangerouslySetInnerHTML" ? { kind: "markup", what: name, reason: writesMarkup } : undefined;
}

function judgeTlsVariable(typescript: TypeScript, name: string | undefined, value: ts.Expression): Judgement {
  if (name !== "NODE_TLS_REJECT_UNAUTHORIZED" || !isZero(typescript, value)) return undefined;
  return { kind: "tls", what: name, reason: "switches off the check of every server's certificate" };
}

/** Names under which a module's exports are known in this file, and those by which it is known as a whole. */
interface ImportedNames {
  readonly members: ReadonlyMap<string, string>;
  readonly wholes: ReadonlySet<string>;
}

function readImportedNames(typescript: TypeScript, source: ts.SourceFile, specifier: RegExp): ImportedNames {
  const names = { members: new Map<string, string>(), wholes: new Set<string>() };
  visitNodes(typescript, source, (node) => {
    if (typescript.isImportDeclaration(node)) {
      if (specifier.test(textOf(typescript, node.moduleSpecifier) ?? "")) addImported(typescript, node, names);
    } else if (typescript.isVariableDeclaration(node) && node.initializer !== undefined) {
      const value = typescript.isAwaitExpression(node.initializer) ? node.initializer.expression : node.initializer;
      // `require` and `import()` alike, and whatever else is called with the module's name.
      if (!typescript.isCallExpression(value)) return;
      if (specifier.test(textOf(typescript, value.arguments[0]) ?? "")) addBound(typescript, node.name, names);
    }
  });
  return names;
}

type Names = { readonly members: Map<string, string>; readonly wholes: Set<string> };

function addImported(typescript: TypeScript, node: ts.ImportDeclaration, { members, wholes }: Names): void {
  const { name, namedBindings } = node.importClause ?? {};
  if (name !== undefined) wholes.add(name.text);
  if (namedBindings === undefined) return;
  if (typescript.isNamespaceImport(namedBindings)) wholes.add(namedBindings.name.text);
  else for (const each of namedBindings.elements) members.set(each.name.text, (each.propertyName ?? each.name).text);
}

function addBound(typescript: TypeScript, name: ts.BindingName, { members, wholes }: Names): void {
  if (typescript.isIdentifier(name)) wholes.add(name.text);
  if (!typescript.isObjectBindingPattern(name)) return;
  for (const { name: local, propertyName: imported } of name.elements) {
    if (!typescript.isIdentifier(local)) continue;
    members.set(local.text, (imported && propertyName(typescript, imported)) ?? local.text);
  }
}

function isFrom(names: ImportedNames, object: string | undefined, member: string | undefined, wanted: RegExp): boolean {
  if (member === undefined) return false;
  if (object === undefined) return wanted.test(names.members.get(member) ?? "");
  return names.wholes.has(object) && wanted.test(member);
}

/** `a.b.c` as object `b` and member `c`; a bare name as a member of nothing. */
function calleeOf(
  typescript: TypeScript,
  node: ts.Expression,
): { object: string | undefined; member: string | undefined } {
  const member = memberOf(typescript, node);
  const isMember = typescript.isPropertyAccessExpression(node) || typescript.isElementAccessExpression(node);
  return { object: isMember ? (memberOf(typescript, node.expression) ?? "") : undefined, member };
}

function memberOf(typescript: TypeScript, node: ts.Expression): string | undefined {
  if (typescript.isIdentifier(node)) return node.text;
  if (typescript.isPropertyAccessExpression(node)) return node.name.text;
  return typescript.isElementAccessExpression(node) ? textOf(typescript, node.argumentExpression) : undefined;
}

const textOf = (typescript: TypeScript, node: ts.Node | undefined): string | undefined =>
  node !== undefined && typescript.isStringLiteralLike(node) ? node.text : undefined;

/** Text that stands in the source as it is used: literals and sums of literals. Nothing at all is constant too. */
function isConstant(typescript: TypeScript, node: ts.Node | undefined): boolean {
  if (node === undefined || typescript.isStringLiteralLike(node) || typescript.isNumericLiteral(node)) return true;
  if (node.kind === typescript.SyntaxKind.NullKeyword) return true;
  if (typescript.isParenthesizedExpression(node)) return isConstant(typescript, node.expression);
  return typescript.isBinaryExpression(node)
    ? isConstant(typescript, node.left) && isConstant(typescript, node.right)
    : false;
}

const isZero = (typescript: TypeScript, node: ts.Node): boolean =>
  (typescript.isStringLiteralLike(node) || typescript.isNumericLiteral(node)) && node.text === "0";

function hasTrueMember(typescript: TypeScript, node: ts.Node, name: string): boolean {
  if (!typescript.isObjectLiteralExpression(node)) return false;
  return node.properties.some(
    (each) =>
      typescript.isPropertyAssignment(each) &&
      propertyName(typescript, each.name) === name &&
      each.initializer.kind !== typescript.SyntaxKind.FalseKeyword,
  );
}

const propertyName = (typescript: TypeScript, name: ts.PropertyName): string | undefined =>
  typescript.isIdentifier(name) || typescript.isStringLiteralLike(name) ? name.text : undefined;

/** A group that is repeated without bound and whose whole content is one unbounded repetition: `(a+)+`, `(\w*)*`, `([^x]+)*`. */
function hasNestedRepeat(pattern: string): boolean {
  const atom = String.raw`(?:\\.|\[(?:\\.|[^\]\\])*\]|[^\\()[\]{}*+?|^$])`;
  return new RegExp(String.raw`\((?:\?:|\?<\w+>)?${atom}(?:[*+]|\{\d+,\})\)(?:[*+]|\{\d+,\})`).test(pattern);
}
