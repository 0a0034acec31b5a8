import type ts from "typescript-api";
import type { TypeScript } from "./parse-script.ts";
import { lineOf, visitNodes } from "./parse-script.ts";

/** How one module names another. */
export interface ImportReference {
  readonly specifier: string;
  readonly line: number;
  readonly kind: "import" | "export" | "dynamic" | "require";
  /** Gone at run time, by its syntax: `import type`, `export type`, `import("x").T`. */
  readonly typeOnly: boolean;
  /** The exports it names; `all` where it takes the whole module, empty where it only runs it. */
  readonly names: "all" | readonly string[];
  /** For `export { a as b } from`: the names under which it hands on, in the order of `names`; undefined for `export *`. */
  readonly handedOnAs?: readonly string[];
}

/** Every module a source file names in a literal: import, export from, dynamic import, require, import types. */
export function readImports(typescript: TypeScript, source: ts.SourceFile): ImportReference[] {
  const found: ImportReference[] = [];
  const add = (
    node: ts.Node,
    specifier: ts.Node | undefined,
    reference: Omit<ImportReference, "specifier" | "line">,
  ): void => {
    if (specifier === undefined || !typescript.isStringLiteralLike(specifier) || specifier.text === "") return;
    found.push({ specifier: specifier.text, line: lineOf(source, node), ...reference });
  };
  visitNodes(typescript, source, (node) => {
    if (typescript.isImportDeclaration(node)) add(node, node.moduleSpecifier, readImportClause(typescript, node));
    else if (typescript.isExportDeclaration(node)) add(node, node.moduleSpecifier, readExportClause(typescript, node));
    else if (typescript.isImportEqualsDeclaration(node)) {
      if (!typescript.isExternalModuleReference(node.moduleReference)) return;
      add(node, node.moduleReference.expression, { kind: "require", typeOnly: node.isTypeOnly, names: "all" });
    } else if (typescript.isImportTypeNode(node)) {
      const argument = typescript.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined;
      add(node, argument, { kind: "import", typeOnly: true, names: firstName(typescript, node.qualifier) });
    } else if (typescript.isCallExpression(node)) {
      const { expression } = node;
      if (expression.kind === typescript.SyntaxKind.ImportKeyword) {
        add(node, node.arguments[0], { kind: "dynamic", typeOnly: false, names: "all" });
      } else if (typescript.isIdentifier(expression) && expression.text === "require" && node.arguments.length === 1) {
        add(node, node.arguments[0], { kind: "require", typeOnly: false, names: "all" });
      }
    }
  });
  return found;
}

type Clause = Omit<ImportReference, "specifier" | "line">;

function readImportClause(typescript: TypeScript, node: ts.ImportDeclaration): Clause {
  const clause = node.importClause;
  if (clause === undefined) return { kind: "import", typeOnly: false, names: [] };
  const isType = clause.phaseModifier === typescript.SyntaxKind.TypeKeyword;
  const bindings = clause.namedBindings;
  if (bindings !== undefined && typescript.isNamespaceImport(bindings)) {
    return { kind: "import", typeOnly: isType, names: "all" };
  }
  const elements = bindings?.elements ?? [];
  const names = elements.map((each) => (each.propertyName ?? each.name).text);
  if (clause.name !== undefined) names.unshift("default");
  // Without `verbatimModuleSyntax` the compiler may drop more than this; what the syntax does not say is taken to stay.
  const typeOnly =
    isType || (clause.name === undefined && elements.length > 0 && elements.every((each) => each.isTypeOnly));
  return { kind: "import", typeOnly, names };
}

function readExportClause(typescript: TypeScript, node: ts.ExportDeclaration): Clause {
  const clause = node.exportClause;
  if (clause === undefined) return { kind: "export", typeOnly: node.isTypeOnly, names: "all" };
  if (typescript.isNamespaceExport(clause)) {
    return { kind: "export", typeOnly: node.isTypeOnly, names: "all", handedOnAs: [clause.name.text] };
  }
  return {
    kind: "export",
    typeOnly: node.isTypeOnly || (clause.elements.length > 0 && clause.elements.every((each) => each.isTypeOnly)),
    names: clause.elements.map((each) => (each.propertyName ?? each.name).text),
    handedOnAs: clause.elements.map((each) => each.name.text),
  };
}

/** `import("x").a.b` names the export `a`; without a name it is the whole module. */
function firstName(typescript: TypeScript, qualifier: ts.EntityName | undefined): "all" | string[] {
  let name = qualifier;
  while (name !== undefined && typescript.isQualifiedName(name)) name = name.left;
  return name === undefined ? "all" : [name.text];
}
