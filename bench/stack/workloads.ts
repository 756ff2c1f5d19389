/** Who asks what: 200 users with a session each, and the settings of 20 brands. */
import type { Message } from "../support/http.ts";

/** What is measured. The last one is the first, with Redis behind a REST API. */
export const WORKLOADS = ["signed-in", "anonymous", "rest"] as const;

export type Workload = (typeof WORKLOADS)[number];

/** Of one length, so that all answers are. */
export const IDS: readonly string[] = Array.from({ length: 20 }, (_, n) => `${100 + n}`);

export const USERS: readonly string[] = Array.from({ length: 200 }, (_, n) => `user-${100 + n}`);

/** As long as a real one, for the servers that know none. */
export const NO_SESSION: string = `__Host-sid=${"x".repeat(86)}`;

/** A user of one server. */
export interface Visitor {
  readonly user: string;
  /** As in a request's `Cookie`. */
  readonly cookie: string;
}

/** A brand's page, behind a guard and not. */
export const PATHS: Readonly<Record<Workload, string>> = {
  "signed-in": "/brands/:id/settings",
  anonymous: "/open/brands/:id/settings",
  rest: "/brands/:id/settings",
};

/** Has a visitor ask for one brand. */
export function messageOf(workload: Workload, id: string, { cookie }: Visitor): Message {
  const path = PATHS[workload].replace(":id", id);
  return workload === "anonymous" ? { path } : { path, cookie };
}

/** Every brand once; a visitor asks for the same ones each time. */
export function messagesOf(workload: Workload, visitors: readonly Visitor[]): Message[] {
  return IDS.map((id, n) => messageOf(workload, id, visitors[n % visitors.length]!));
}

const OPTIONS = Array.from({ length: 20 }, (_, n) => ({
  key: `option-${100 + n}`,
  label: `Größe “${n}”`,
  value: n % 2 === 0,
  url: `https://example.org/options/${n}`,
}));

/** 2 kB as JSON. */
export function settingsOf(id: string): object {
  return { id, options: OPTIONS };
}

/** Bytes of every answer's body. */
export const BODY_LENGTH: number = Buffer.byteLength(JSON.stringify(settingsOf(IDS[0]!)));
