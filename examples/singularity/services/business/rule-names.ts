import type { z } from "zod";

/** Refuses a second rule of a name, with its place: an answer names rules, and must mean one. */
export function ruleNamesAreUnique(
  rules: readonly { readonly name: string }[],
  refinement: z.core.$RefinementCtx<unknown>,
): void {
  const names = new Set<string>();
  for (const [index, { name }] of rules.entries()) {
    if (names.has(name)) {
      refinement.addIssue({
        code: "custom",
        path: [index, "name"],
        message: `"${name}" is the name of another rule too`,
      });
    }
    names.add(name);
  }
}
