import { z } from "zod";
import type { Spdx } from "./load-spdx.ts";

/** Licences named in one list; SPDX itself knows about seven hundred. */
const maxListed = 1_000;

const licenceList = z.array(z.string().min(1).max(200)).max(maxListed);

export const licencePolicy = z.strictObject({
  allowed: licenceList.describe("SPDX ids that may be used; ID-or-later means this version and all later ones"),
  denied: licenceList.describe("SPDX ids that may not be used"),
  review: licenceList.describe("SPDX ids that a person has to look at; so is every licence that no list names"),
});

/** Which licences may be used: data, so that it can be printed, kept and replaced. */
export type LicencePolicy = Readonly<z.infer<typeof licencePolicy>>;

/**
 * The policy where none is given, for a product whose own source is not published: permissive licences are allowed, those that ask
 * for the source of what uses them are denied, those that ask for the source of changed files alone are looked at.
 */
export const declaredPolicy: LicencePolicy = {
  allowed: [
    "0BSD",
    "Apache-2.0",
    "Artistic-2.0",
    "BlueOak-1.0.0",
    "BSD-2-Clause",
    "BSD-2-Clause-Patent",
    "BSD-3-Clause",
    "BSD-3-Clause-Clear",
    "BSL-1.0",
    "CC0-1.0",
    "CC-BY-3.0",
    "CC-BY-4.0",
    "ISC",
    "MIT",
    "MIT-0",
    "OFL-1.1",
    "PostgreSQL",
    "PSF-2.0",
    "Python-2.0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "Unlicense",
    "UPL-1.0",
    "W3C",
    "WTFPL",
    "X11",
    "Zlib",
  ],
  denied: [
    "AGPL-1.0-or-later",
    "AGPL-3.0-or-later",
    "BUSL-1.1",
    "CC-BY-NC-3.0",
    "CC-BY-NC-4.0",
    "CC-BY-NC-ND-4.0",
    "CC-BY-NC-SA-4.0",
    "CC-BY-ND-4.0",
    "Elastic-2.0",
    "EUPL-1.1",
    "EUPL-1.2",
    "GPL-1.0-or-later",
    "OSL-3.0",
    "PolyForm-Noncommercial-1.0.0",
    "PolyForm-Small-Business-1.0.0",
    "SSPL-1.0",
    // npm's word for a package that grants nobody anything.
    "UNLICENSED",
  ],
  review: [
    "CC-BY-SA-4.0",
    "CDDL-1.0",
    "CDDL-1.1",
    "CPL-1.0",
    "EPL-1.0",
    "EPL-2.0",
    "LGPL-2.0-or-later",
    "MPL-1.1",
    "MPL-2.0",
  ],
};

/** npm's word for a package whose author grants nobody a licence; no SPDX id, but a policy may name it. */
export const unlicensed = "UNLICENSED";

/** What is wrong with a policy, with place and reason. */
export function findPolicyProblems(spdx: Spdx, policy: LicencePolicy): string[] {
  const problems: string[] = [];
  const listedIn = new Map<string, string>();
  for (const list of ["allowed", "denied", "review"] as const) {
    for (const [index, id] of policy[list].entries()) {
      const at = `policy.${list}[${index}]`;
      const parsed = spdx.parse(id);
      if (id !== unlicensed && parsed === undefined) problems.push(`${at}: "${id}" is no SPDX licence.`);
      else if (parsed !== undefined && "conjunction" in parsed) {
        problems.push(`${at}: "${id}" is an expression; name each licence by itself.`);
      }
      const other = listedIn.get(id);
      if (other !== undefined) problems.push(`${at}: "${id}" stands in ${other} already.`);
      else listedIn.set(id, list);
    }
  }
  return problems;
}
