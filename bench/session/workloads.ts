/** Who asks what: 200 users with a session each, and the requests of every workload. */
import type { Message } from "../support/http.ts";

/** What is measured. A login comes without a cookie, as from a browser that has never been here. */
export const WORKLOADS = ["read", "write", "login"] as const;

export type Workload = (typeof WORKLOADS)[number];

/** Of one length, so that all answers are. */
export const USERS: readonly string[] = Array.from({ length: 200 }, (_, n) => `user-${100 + n}`);

/** A user of one server. */
export interface Visitor {
  readonly user: string;
  /** As in a request's `Cookie`. */
  readonly cookie: string;
}

/** One request of a workload. */
export function messageOf(workload: Workload, { user, cookie }: Visitor): Message {
  if (workload === "login") return { method: "POST", path: `/login/${user}` };
  return { method: workload === "read" ? "GET" : "POST", path: `/${workload}`, cookie };
}
