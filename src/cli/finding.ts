/** What the doctor says of one thing: how it is, and, where it is wrong, why that matters and what mends it. */

/** `failure`: the kit cannot work as promised. `warning`: it works, and will not for ever. `note`: worth knowing. */
export type Level = "ok" | "note" | "warning" | "failure";

/** One line of a report. */
export interface Finding {
  /** Stable, for programs. */
  readonly id: string;
  readonly level: Level;
  /** What was looked at, in a word or two. */
  readonly title: string;
  /** What was found. */
  readonly detail: string;
  /** Why it matters; null where nothing is wrong. */
  readonly why: string | null;
  /** The change that mends it; null where nothing is wrong. */
  readonly fix: string | null;
  /** The figures behind it. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** What the doctor found. */
export interface Report {
  /** Nothing has failed. */
  readonly ok: boolean;
  readonly checks: readonly Finding[];
}

/** What is looked at: the two that all findings of one check share. */
export interface Subject {
  readonly id: string;
  readonly title: string;
}

type Data = Finding["data"];

/** Of whatever carries the two, the two. */
function subjectOf({ id, title }: Subject): Subject {
  return { id, title };
}

/** All is well. */
export function ok(subject: Subject, detail: string, data: Data = {}): Finding {
  return { ...subjectOf(subject), level: "ok", detail, why: null, fix: null, data };
}

/** Worth knowing; nothing needs to be done. */
export function note(subject: Subject, detail: string, data: Data = {}): Finding {
  return { ...subjectOf(subject), level: "note", detail, why: null, fix: null, data };
}

/** What is wrong, why it matters, how to fix it. */
export interface Trouble {
  readonly detail: string;
  readonly why: string;
  readonly fix: string;
  readonly data?: Data;
}

/** It works, and will not for ever. */
export function warning(subject: Subject, { detail, why, fix, data = {} }: Trouble): Finding {
  return { ...subjectOf(subject), level: "warning", detail, why, fix, data };
}

/** The kit cannot work as promised. */
export function failure(subject: Subject, { detail, why, fix, data = {} }: Trouble): Finding {
  return { ...subjectOf(subject), level: "failure", detail, why, fix, data };
}

/** The server would not say. That is nobody's fault, and hides none. */
export function cannotTell(subject: Subject, reason: string, data: Data = {}): Finding {
  return note(subject, `cannot tell: ${reason}`, { ...data, cannotTell: true });
}

const RANK: Record<Level, number> = { failure: 0, warning: 1, note: 2, ok: 3 };

/** The finding that matters most. */
export function worst(findings: readonly Finding[]): Finding {
  return findings.toSorted((a, b) => RANK[a.level] - RANK[b.level])[0]!;
}
