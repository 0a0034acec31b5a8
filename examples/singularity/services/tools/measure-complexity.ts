import type ts from "typescript-api";
import { lineOf, type TypeScript } from "../../source/parse-script.ts";

export type FunctionComplexity = {
  /** As written, with its class: `Stack.push`; `(anonymous)` where it has no name. */
  readonly name: string;
  readonly line: number;
  readonly complexity: number;
};

export interface FileComplexity {
  /** The sum over all functions and the module's own body, each at least one. */
  readonly complexity: number;
  readonly functions: readonly FunctionComplexity[];
}

/**
 * Cyclomatic complexity after McCabe: the ways through a function, one more than it has decisions. Decisions are `if`, the
 * loops, each `case`, `catch`, `?:`, and the short circuits `&&`, `||`, `??` with their assignments. A function inside
 * another counts for itself.
 */
export function measureComplexity(typescript: TypeScript, source: ts.SourceFile): FileComplexity {
  const functions: { name: string; line: number; complexity: number }[] = [];
  const body = { complexity: 1 };
  const waiting: {
    node: ts.Node;
    owner: { complexity: number };
    className: string | undefined;
    name: string | undefined;
  }[] = [{ node: source, owner: body, className: undefined, name: undefined }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { node } = next;
    let { owner, className } = next;
    if (isDecision(typescript, node)) owner.complexity++;
    if (typescript.isClassLike(node)) className = node.name?.text ?? next.name ?? "(anonymous)";
    else if (typescript.isFunctionLike(node) && hasBody(node)) {
      const name = nameOf(typescript, source, node) ?? next.name ?? "(anonymous)";
      const isMember = typescript.isClassElement(node);
      const entry = {
        name: isMember && className !== undefined ? `${className}.${name}` : name,
        line: lineOf(source, node),
        complexity: 1,
      };
      functions.push(entry);
      owner = entry;
    }
    const given = givenName(typescript, source, node);
    const children: typeof waiting = [];
    typescript.forEachChild(node, (child) => {
      children.push({ node: child, owner, className, name: given });
    });
    waiting.push(...children.reverse());
  }
  return { complexity: functions.reduce((sum, each) => sum + each.complexity, body.complexity), functions };
}

function isDecision(typescript: TypeScript, node: ts.Node): boolean {
  const { SyntaxKind } = typescript;
  switch (node.kind) {
    case SyntaxKind.IfStatement:
    case SyntaxKind.ForStatement:
    case SyntaxKind.ForInStatement:
    case SyntaxKind.ForOfStatement:
    case SyntaxKind.WhileStatement:
    case SyntaxKind.DoStatement:
    case SyntaxKind.CaseClause:
    case SyntaxKind.CatchClause:
    case SyntaxKind.ConditionalExpression:
      return true;
    case SyntaxKind.BinaryExpression:
      switch ((node as ts.BinaryExpression).operatorToken.kind) {
        case SyntaxKind.AmpersandAmpersandToken:
        case SyntaxKind.BarBarToken:
        case SyntaxKind.QuestionQuestionToken:
        case SyntaxKind.AmpersandAmpersandEqualsToken:
        case SyntaxKind.BarBarEqualsToken:
        case SyntaxKind.QuestionQuestionEqualsToken:
          return true;
        default:
          return false;
      }
    default:
      return false;
  }
}

const hasBody = (node: ts.SignatureDeclaration): boolean => "body" in node && node.body !== undefined;

function nameOf(typescript: TypeScript, source: ts.SourceFile, node: ts.SignatureDeclaration): string | undefined {
  if (typescript.isConstructorDeclaration(node)) return "constructor";
  return node.name?.getText(source);
}

/** The name that a variable, a property or an assignment gives to the function or class on its right. */
function givenName(typescript: TypeScript, source: ts.SourceFile, node: ts.Node): string | undefined {
  if (
    typescript.isVariableDeclaration(node) ||
    typescript.isPropertyAssignment(node) ||
    typescript.isPropertyDeclaration(node)
  ) {
    return shorten(node.name.getText(source));
  }
  if (typescript.isBinaryExpression(node) && node.operatorToken.kind === typescript.SyntaxKind.EqualsToken) {
    return shorten(node.left.getText(source));
  }
  return undefined;
}

/** Names are shown in lists; a destructuring pattern of twenty lines is no name. */
const shorten = (name: string): string | undefined => (name.length <= 80 && !name.includes("\n") ? name : undefined);
