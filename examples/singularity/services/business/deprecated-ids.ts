import type { Licence } from "spdx-expression-parse";

/**
 * Ids that SPDX has given up, and the licence and exception to write instead. Where an id names a version, it is that one alone; where it
 * names none, the licence's own text says. Not here: ids that only lack `-only`, which is left out in reading, and those that have no other
 * in their place (Net-SNMP, Nunit).
 */
export const deprecatedIds: ReadonlyMap<string, Licence> = new Map(
  Object.entries({
    "BSD-2-Clause-FreeBSD": { license: "BSD-2-Clause-Views" },
    "BSD-2-Clause-NetBSD": { license: "BSD-2-Clause" },
    "bzip2-1.0.5": { license: "bzip2-1.0.6" },
    "eCos-2.0": { license: "GPL-2.0-or-later", exception: "eCos-exception-2.0" },
    "GPL-2.0-with-autoconf-exception": { license: "GPL-2.0-only", exception: "Autoconf-exception-2.0" },
    "GPL-2.0-with-bison-exception": { license: "GPL-2.0-only", exception: "Bison-exception-2.2" },
    "GPL-2.0-with-classpath-exception": { license: "GPL-2.0-only", exception: "Classpath-exception-2.0" },
    "GPL-2.0-with-font-exception": { license: "GPL-2.0-only", exception: "Font-exception-2.0" },
    "GPL-2.0-with-GCC-exception": { license: "GPL-2.0-only", exception: "GCC-exception-2.0" },
    "GPL-3.0-with-autoconf-exception": { license: "GPL-3.0-only", exception: "Autoconf-exception-3.0" },
    "GPL-3.0-with-GCC-exception": { license: "GPL-3.0-only", exception: "GCC-exception-3.1" },
    "StandardML-NJ": { license: "SMLNJ" },
    wxWindows: { license: "LGPL-2.0-or-later", exception: "WxWindows-exception-3.1" },
  }),
);
