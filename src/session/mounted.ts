/** The `session()` calls of a kit: where its sessions' cookies and rules are found without a request. */
import { perKit } from "../context.ts";
import { Ledger } from "./ledger.ts";
import { planLedger, type SessionPlan } from "./options.ts";

/** One `session()` or `sessionStore()` call. */
export interface Mounted {
  /** Without one, the cookie is somebody else's. */
  readonly plan?: SessionPlan;
  readonly ledger: Ledger;
}

/** In the order of their calls. */
export const mountedOf: ReturnType<typeof perKit<Mounted[]>> = perKit<Mounted[]>(() => []);

/** For a process without any `session()`, such as a worker. */
const defaultLedgerOf = perKit((context) => new Ledger(context, planLedger({})));

/** The ledger that knows a kit's users: that of its first `session()`. */
export function ledgerOf(context: Parameters<typeof mountedOf>[0]): Ledger {
  return mountedOf(context)[0]?.ledger ?? defaultLedgerOf(context);
}
