import type ts from "typescript-api";
import { lineOf, type TypeScript, visitNodes } from "../../source/parse-script.ts";

/** A name that a module offers and declares itself. What it only hands on from another is that one's. */
export interface ExportedName {
  readonly name: string;
  readonly line: number;
  /** Whether the module uses it too, so that only the word `export` is dead. */
  readonly isUsedInside: boolean;
}

/** The names a module exports itself, by ES syntax. `module.exports` is not read: who uses what of it cannot be seen. */
export function readExports(typescript: TypeScript, source: ts.SourceFile): ExportedName[] {
  const found: { name: string; node: ts.Node; local: string | undefined }[] = [];
  for (const statement of source.statements) {
    if (typescript.isExportAssignment(statement)) {
      if (statement.isExportEquals) continue;
      const local = typescript.isIdentifier(statement.expression) ? statement.expression.text : undefined;
      found.push({ name: "default", node: statement, local });
    } else if (typescript.isExportDeclaration(statement)) {
      const clause = statement.exportClause;
      if (statement.moduleSpecifier !== undefined || clause === undefined || !typescript.isNamedExports(clause))
        continue;
      for (const each of clause.elements) {
        found.push({ name: each.name.text, node: each, local: (each.propertyName ?? each.name).text });
      }
    } else if (isExported(typescript, statement)) found.push(...declaredNames(typescript, statement));
  }
  const uses = countIdentifiers(typescript, source);
  return found.map(({ name, node, local }) => ({
    name,
    line: lineOf(source, node),
    isUsedInside: local !== undefined && (uses.get(local) ?? 0) > (typescript.isExportSpecifier(node) ? 2 : 1),
  }));
}

function isExported(typescript: TypeScript, statement: ts.Statement): boolean {
  const modifiers = typescript.canHaveModifiers(statement) ? typescript.getModifiers(statement) : undefined;
  return modifiers?.some((each) => each.kind === typescript.SyntaxKind.ExportKeyword) ?? false;
}

function declaredNames(
  typescript: TypeScript,
  statement: ts.Statement,
): { name: string; node: ts.Node; local: string | undefined }[] {
  if (typescript.isVariableStatement(statement)) {
    return statement.declarationList.declarations.flatMap((each) => bindingNames(typescript, each.name));
  }
  if (
    typescript.isFunctionDeclaration(statement) ||
    typescript.isClassDeclaration(statement) ||
    typescript.isInterfaceDeclaration(statement) ||
    typescript.isTypeAliasDeclaration(statement) ||
    typescript.isEnumDeclaration(statement) ||
    typescript.isModuleDeclaration(statement)
  ) {
    const isDefault = typescript
      .getModifiers(statement)
      ?.some((each) => each.kind === typescript.SyntaxKind.DefaultKeyword);
    const local = statement.name?.text;
    if (isDefault) return [{ name: "default", node: statement, local }];
    return local === undefined ? [] : [{ name: local, node: statement, local }];
  }
  return [];
}

function bindingNames(typescript: TypeScript, name: ts.BindingName): { name: string; node: ts.Node; local: string }[] {
  if (typescript.isIdentifier(name)) return [{ name: name.text, node: name, local: name.text }];
  return name.elements.flatMap((each) =>
    typescript.isBindingElement(each) ? bindingNames(typescript, each.name) : [],
  );
}

/** How often each identifier is written. Two things of one name count together: then a dead export may be taken for used inside, never the other way. */
function countIdentifiers(typescript: TypeScript, source: ts.SourceFile): Map<string, number> {
  const counts = new Map<string, number>();
  visitNodes(typescript, source, (node) => {
    if (typescript.isIdentifier(node)) counts.set(node.text, (counts.get(node.text) ?? 0) + 1);
  });
  return counts;
}
