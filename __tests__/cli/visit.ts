/** The doctor for tests: run in this process with an environment of its own. */
import type { DoctorInputs } from "../../src/cli/doctor.ts";
import { runDoctor } from "../../src/cli/doctor.ts";
import type { Finding, Report } from "../../src/cli/finding.ts";

/** Long enough for every check, random only in looks. */
export const SECRET = "session-secret-of-the-tests-0123456789ab";

/** A report that can be asked for one check. */
export interface Visited extends Report {
  find(id: string): Finding;
  /** All that a person would read. */
  readonly text: string;
}

/** Runs the doctor; nothing of this process's own environment is seen. */
export async function visit(
  env: Record<string, string>,
  inputs: Partial<DoctorInputs> = {},
): Promise<Visited> {
  const report = await runDoctor({
    options: {},
    env: { SESSION_SECRET: SECRET, ...env },
    loaded: { origin: new Map(), unreadable: [] },
    ...inputs,
  });
  return {
    ...report,
    text: JSON.stringify(report),
    find: (id) => {
      const found = report.checks.find((check) => check.id === id);
      if (found) return found;
      throw new Error(`No '${id}' among ${report.checks.map((check) => check.id).join(", ")}`);
    },
  };
}
