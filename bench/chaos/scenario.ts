/** What a scenario is. */
import type { Report } from "../support/report.ts";

/** Runs one kind of fault `rounds` times and says what was found. */
export type Scenario = (rounds: number) => Promise<Report>;

/** The kit's default deadline for a command, in milliseconds; the scenarios run with the defaults. */
export const DEADLINE = 250;
