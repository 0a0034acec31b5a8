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
  const processNames = readImportedNames(typescript, source, /^(node:)?child_process$/);
  const vmNames = readImportedNames(typescript, source, /^(node:)?vm$/);
  const add = (node: ts.Node, kind: RiskKind, what: string, reason: string): void => {
    found.push({ line: lineOf(source, node), kind, what, reason });
  };

  visitNodes(typescript, source, (node) => {
    if (typescript.isCallExpression(node) || typescript.isNewExpression(node)) judgeCall(node);
    else if (typescript.isBinaryExpression(node)) judgeAssignment(node);
    else if (typescript.isJsxAttribute(node)) judgeAttribute(node);
    else if (typescript.isPropertyAssignment(node)) judgeProperty(node);
    else if (typescript.isRegularExpressionLiteral(node)) judgePattern(node, node.text);
  });
  return found;

  function judgeCall(node: ts.CallExpression | ts.NewExpression): void {
    const { object, member } = calleeOf(typescript, node.expression);
    const args = node.arguments ?? [];
    const isGlobal = object === undefined || object === "window" || object === "globalThis" || object === "global";
    if (isGlobal && member === "eval" && typescript.isCallExpression(node)) {
      add(node, "eval", "eval", "runs text as code");
    } else if (isGlobal && member === "Function") add(node, "eval", "new Function", "runs text as code");
    else if (isGlobal && (member === "setTimeout" || member === "setInterval") && isText(typescript, args[0])) {
      add(node, "eval", member, "given text, runs it as code");
    } else if (isFrom(vmNames, object, member, /^(runIn\w*Context|Script|compileFunction)$/)) {
      add(node, "eval", `vm.${member}`, "runs text as code; a vm context is no boundary against hostile code");
    } else if (isFrom(processNames, object, member, /^(exec|execSync)$/)) judgeShell(node, `${member}`, args[0]);
    else if (isFrom(processNames, object, member, /^(spawn|spawnSync|execFile|execFileSync|fork)$/)) {
      if (args.some((each) => hasTrueMember(typescript, each, "shell")))
        judgeShell(node, `${member} with shell`, args[0]);
    } else if (object === "document" && (member === "write" || member === "writeln")) {
      if (!isConstant(typescript, args[0]))
        add(node, "markup", `document.${member}`, "writes what it is given as markup");
    } else if (member === "insertAdjacentHTML" && !isConstant(typescript, args[1])) {
      add(node, "markup", member, "writes what it is given as markup");
    } else if ((member === "createHash" || member === "createHmac") && isText(typescript, args[0])) {
      const name = (args[0] as ts.StringLiteralLike).text;
      if (/^(md4|md5|sha-?1|ripemd)/i.test(name)) {
        add(node, "weak_hash", `${member}(${name})`, "is broken for signatures and passwords; fine for a checksum");
      }
    } else if (/^create(De)?[Cc]ipher(iv)?$/.test(member ?? "") && isText(typescript, args[0])) {
      const name = (args[0] as ts.StringLiteralLike).text;
      if (/^(des|rc2|rc4|bf|blowfish)|-ecb$/i.test(name)) add(node, "weak_cipher", `${member}(${name})`, "is broken");
    } else if (isGlobal && member === "RegExp" && isText(typescript, args[0])) {
      judgePattern(node, (args[0] as ts.StringLiteralLike).text);
    } else if (isGlobal && member === "require" && args.length === 1 && !isConstant(typescript, args[0])) {
      add(node, "dynamic_code_path", "require", "loads a module by a computed name");
    }
  }

  function judgeShell(node: ts.Node, what: string, command: ts.Expression | undefined): void {
    // A fixed text can be read by whoever reads the code; what is put together or handed in cannot.
    if (isConstant(typescript, command)) return;
    add(node, "shell", what, "hands a command that is put together at run time to a shell");
  }

  function judgeAssignment(node: ts.BinaryExpression): void {
    const { kind } = node.operatorToken;
    if (kind !== typescript.SyntaxKind.EqualsToken && kind !== typescript.SyntaxKind.PlusEqualsToken) return;
    const { object, member } = calleeOf(typescript, node.left);
    if ((member === "innerHTML" || member === "outerHTML") && !isConstant(typescript, node.right)) {
      add(node, "markup", member, "writes what it is given as markup");
    } else if (member === "NODE_TLS_REJECT_UNAUTHORIZED" && object === "env" && isZero(typescript, node.right)) {
      add(node, "tls", member, "switches off the check of every server's certificate");
    }
  }

  function judgeAttribute(node: ts.JsxAttribute): void {
    if (node.name.getText(source) !== "dangerouslySetInnerHTML") return;
    add(node, "markup", "dangerouslySetInnerHTML", "writes what it is given as markup");
  }

  function judgeProperty(node: ts.PropertyAssignment): void {
    const name = propertyName(typescript, node.name);
    const isFalse = node.initializer.kind === typescript.SyntaxKind.FalseKeyword;
    if (name === "rejectUnauthorized" && isFalse) {
      add(node, "tls", name, "switches off the check of the server's certificate");
    } else if (name === "dangerouslySetInnerHTML") add(node, "markup", name, "writes what it is given as markup");
    else if (name === "NODE_TLS_REJECT_UNAUTHORIZED" && isZero(typescript, node.initializer)) {
      add(node, "tls", name, "switches off the check of every server's certificate");
    }
  }

  function judgePattern(node: ts.Node, pattern: string): void {
    if (hasNestedRepeat(pattern)) {
      add(node, "slow_pattern", "regular expression", "repeats a repetition: some texts take it exponential time");
    }
  }
}

/** Names under which a module's exports are known in this file, and those by which it is known as a whole. */
interface ImportedNames {
  readonly members: ReadonlyMap<string, string>;
  readonly wholes: ReadonlySet<string>;
}

function readImportedNames(typescript: TypeScript, source: ts.SourceFile, specifier: RegExp): ImportedNames {
  const members = new Map<string, string>();
  const wholes = new Set<string>();
  const isModule = (node: ts.Node | undefined): boolean =>
    node !== undefined && typescript.isStringLiteralLike(node) && specifier.test(node.text);
  visitNodes(typescript, source, (node) => {
    if (typescript.isImportDeclaration(node) && isModule(node.moduleSpecifier)) {
      const { name, namedBindings } = node.importClause ?? {};
      if (name !== undefined) wholes.add(name.text);
      if (namedBindings === undefined) return;
      if (typescript.isNamespaceImport(namedBindings)) wholes.add(namedBindings.name.text);
      else {
        for (const each of namedBindings.elements) members.set(each.name.text, (each.propertyName ?? each.name).text);
      }
    } else if (typescript.isVariableDeclaration(node) && node.initializer !== undefined) {
      const call = typescript.isAwaitExpression(node.initializer) ? node.initializer.expression : node.initializer;
      if (!typescript.isCallExpression(call) || !isModule(call.arguments[0])) return;
      if (typescript.isIdentifier(node.name)) wholes.add(node.name.text);
      else if (typescript.isObjectBindingPattern(node.name)) {
        for (const each of node.name.elements) {
          const local = typescript.isIdentifier(each.name) ? each.name.text : undefined;
          if (local !== undefined) members.set(local, each.propertyName?.getText(source) ?? local);
        }
      }
    }
  });
  return { members, wholes };
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
  if (typescript.isIdentifier(node)) return { object: undefined, member: node.text };
  const member = typescript.isPropertyAccessExpression(node)
    ? node.name.text
    : typescript.isElementAccessExpression(node) && isText(typescript, node.argumentExpression)
      ? (node.argumentExpression as ts.StringLiteralLike).text
      : undefined;
  if (member === undefined) return { object: undefined, member: undefined };
  const { expression } = node as ts.PropertyAccessExpression | ts.ElementAccessExpression;
  return { object: calleeOf(typescript, expression).member ?? "", member };
}

const isText = (typescript: TypeScript, node: ts.Node | undefined): boolean =>
  node !== undefined && typescript.isStringLiteralLike(node);

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
