/** The part of Vitest's JSON report that is counted. */
interface Report {
  testResults: {
    name: string;
    status: string;
    message?: string;
    assertionResults: { fullName: string; status: string }[];
  }[];
}

/**
 * Counts one tier's tests. A failure is a test that failed; a file that could not be loaded; a test that was skipped or left
 * to do, since a test that does not run proves nothing; a tier without tests; and a run that failed although no test did.
 */
export function countTests(
  tier: string,
  report: string | undefined,
  status: number,
): { passed: number; failures: string[] } {
  if (report === undefined) return { passed: 0, failures: [`${tier}: ended with status ${status} and no report`] };
  const failures: string[] = [];
  let passed = 0;
  for (const file of (JSON.parse(report) as Report).testResults) {
    for (const test of file.assertionResults) {
      if (test.status === "passed") passed += 1;
      else if (test.status === "failed") failures.push(`${tier}: ${file.name}: ${test.fullName}`);
      else failures.push(`${tier}: ${file.name}: ${test.fullName}: did not run (${test.status}); mend or delete it`);
    }
    const noneFailed = file.assertionResults.every((test) => test.status !== "failed");
    if (file.status === "failed" && noneFailed) failures.push(`${tier}: ${file.name}: ${firstLine(file.message)}`);
  }
  if (passed === 0 && failures.length === 0) failures.push(`${tier}: no test ran`);
  if (status !== 0 && failures.length === 0) failures.push(`${tier}: ended with status ${status} outside any test`);
  return { passed, failures };
}

const firstLine = (text: string | undefined): string => text?.split("\n")[0] || "could not be run";
