// Proves which addresses nobody from outside can have called, in whatever way they are written: a table of spellings, of ranges, and of ports.
// What a name leads to is `create-egress.int.test.ts`.
import { codeOf } from "@viable/kernel";
import { describe, expect, test } from "vitest";
import { judgeAddress, toAddress } from "./judge-address.ts";
import { judgeUrl, maxUrlChars } from "./judge-url.ts";
import { readAllowances } from "./read-allowances.ts";

const nothing = readAllowances([]);
const codeFor = (url: string, allowances = nothing): string => {
  const verdict = judgeUrl(url, allowances);
  return verdict.ok ? "ok" : verdict.code;
};

describe("a URL that names", () => {
  test.each([
    "https://example.com/hook?key=1",
    "http://example.com",
    "https://example.com./hook",
    "https://пример.испытание/",
    "http://93.184.215.14/",
    "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/hook",
    "http://example.com:8080/",
    "https://example.com:8443/",
    "https://example.com:49152/",
  ])("a receiver on the internet may be called: %s", (url) => {
    expect(codeFor(url)).toBe("ok");
  });

  test.each([
    // Loopback, as a number, in hexadecimal, octal, short, in wide digits, and with a dot at the end.
    "http://127.0.0.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://0177.0.0.1/",
    "http://017700000001/",
    "http://127.1/",
    "http://127.0.0.1./",
    "http://１２７.０.０.１/",
    "http://①②⑦.⓪.⓪.①/",
    "http://127。0。0。1/",
    "http://%31%32%37.0.0.1/",
    "http://0.0.0.0/",
    "http://0/",
    "http://[::]/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    // v4 within v6: mapped, compatible, translated, NAT64, 6to4, Teredo.
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b:1::7f00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    // Private, link-local, carriers', the clouds' own.
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.170.2/",
    "http://100.64.0.1/",
    "http://100.100.100.200/",
    "http://168.63.129.16/",
    "http://192.0.0.192/",
    "http://[fd00:ec2::254]/",
    "http://[fe80::1]/",
    "http://[fec0::1]/",
    // To many, to nobody, for documentation and tests.
    "http://224.0.0.1/",
    "http://[ff02::1]/",
    "http://255.255.255.255/",
    "http://240.0.0.1/",
    "http://192.0.2.1/",
    "http://198.51.100.1/",
    "http://203.0.113.1/",
    "http://198.18.0.1/",
    "http://192.88.99.1/",
    "http://[2001:db8::1]/",
    "http://[100::1]/",
    "http://[3fff::1]/",
    "http://[5f00::1]/",
    // This machine by name.
    "http://localhost/",
    "http://localhost./",
    "http://LOCALHOST/",
    "http://ｌocalhost/",
    "http://a.localhost/",
  ])("an address that is not the internet's is refused: %s", (url) => {
    expect(codeFor(url)).toBe("egress.refused_address");
  });

  test.each(["1", "22", "25", "53", "110", "442", "587", "993", "1023", "2049", "6000", "6667", "10080"])(
    "a port that is no web server's is refused: %s",
    (port) => {
      expect(codeFor(`http://example.com:${port}/`)).toBe("egress.refused_port");
    },
  );

  test.each([
    "",
    "example.com/hook",
    "//example.com",
    "ftp://example.com/",
    "file:///etc/passwd",
    "gopher://example.com/",
    "javascript:alert(1)",
    "http://user@example.com/",
    "http://user:word@example.com/",
    "http://example.com@127.0.0.1/",
    "http:///",
    "http://./",
    "http://[::1%25lo]/",
    "http://256.0.0.1/",
    "http://1.2.3.4.5/",
    "http://example.com:65536/",
    `https://example.com/${"a".repeat(maxUrlChars)}`,
  ])("nothing that can be called is refused: %s", (url) => {
    expect(codeFor(url)).toBe("egress.invalid_url");
  });

  test("a part of the page is called without it", () => {
    const verdict = judgeUrl("https://example.com/hook#part", nothing);
    expect(verdict.ok && verdict.url.href).toBe("https://example.com/hook");
  });
});

describe("of what the config allows", () => {
  const allowed = readAllowances([
    "localhost",
    "receiver.internal",
    "10.1.0.0/16",
    "127.0.0.1",
    "fd00::/8",
    "::ffff:10.9.0.1",
  ]);

  test.each([
    "http://localhost:8080/",
    "http://receiver.internal./",
    "http://10.1.2.3/",
    "http://127.0.0.1:4000/",
    "http://[::ffff:127.0.0.1]/",
    "http://[fd12::1]/",
    "http://10.9.0.1/",
  ])("%s may be called", (url) => {
    expect(codeFor(url, allowed)).toBe("ok");
  });

  test.each(["http://10.2.0.1/", "http://127.0.0.2/", "http://[fe80::1]/", "http://a.localhost/"])(
    "%s may not: it stands beside it",
    (url) => {
      expect(codeFor(url, allowed)).toBe("egress.refused_address");
    },
  );

  test("ports stay refused", () => {
    expect(codeFor("http://localhost:22/", allowed)).toBe("egress.refused_port");
  });

  test.each([
    "",
    "Example.com",
    "a/b",
    "10.0.0.0/33",
    "10.0.0.0/",
    "10.0.0.0/8/8",
    "fd00::/129",
    "http://a",
    "*.internal",
    "10.0.0.0/x",
  ])('an entry that says nothing is refused when it is read: "%s"', (entry) => {
    let thrown: unknown;
    try {
      readAllowances([entry]);
    } catch (error) {
      thrown = error;
    }
    expect(codeOf(thrown)).toBe("config.invalid");
  });
});

describe("an address that a name leads to", () => {
  test.each(["127.1", "2130706433", "0x7f000001", "fe80::1%eth0", "localhost", "", "1.2.3"])(
    "is none where it is not written out: %s",
    (text) => {
      expect(toAddress(text)).toBeUndefined();
    },
  );

  test("is refused with a reason that people can read", () => {
    const reasonFor = (text: string) => judgeAddress(toAddress(text) as NonNullable<ReturnType<typeof toAddress>>);
    expect(reasonFor("::ffff:10.0.0.1")).toBe("a private address");
    expect(reasonFor("2001:4:112::1")).toContain("another use");
    expect(reasonFor("8.8.8.8")).toBeUndefined();
  });
});
