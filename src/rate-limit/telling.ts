/** What a limiter tells of: refusals, denied addresses, failed sign-ins. */
import type { Context } from "../context.ts";
import { addressIdentity } from "../request.ts";
import type { Sender } from "./identities.ts";
import type { LimiterPlan } from "./plan.ts";
import { refusalReportsOf } from "./refusal-reports.ts";
import { policiesOf, retryAfterOf, type Row } from "./rows.ts";
import { createSuspicion } from "./suspicion.ts";

/** How long a denied address is not told of again, in milliseconds. */
const DENIED_WINDOW = 60_000;

/** Tells of it by events. */
export interface Telling {
  /** A sign-in failed. */
  failed(this: void, sender: Sender): void;
  refused(this: void, rows: readonly Row[], sender: Sender): void;
  /** The option `deny` names an address. */
  denied(this: void, address: string): void;
}

/** Makes it for one limiter. */
export function createTelling(context: Context, plan: LimiterPlan): Telling {
  const report = refusalReportsOf(context);
  const { type } = plan.main;
  const suspect = plan.suspicion && createSuspicion(plan.suspicion, context.events, type);
  const shadow = plan.shadow ? { shadow: true as const } : undefined;
  const failed = ({ address, accounts }: Sender): void => suspect?.(address, accounts);
  return {
    failed,
    refused: (rows: readonly Row[], sender: Sender): void => {
      const refusing = rows.filter(({ isRefusing }) => isRefusing);
      const policies = policiesOf(rows);
      const window = Math.max(...refusing.map(({ quota }) => quota.window));
      const { key } = refusing[0]!;
      const retryAfter = retryAfterOf(rows);
      report({ type, key, policies, retryAfter, ...shadow }, window);
      failed(sender);
    },
    denied: (address: string): void => {
      const key = context.keys.rateLimit(type, [addressIdentity(address)]);
      report({ type, key, policies: [], retryAfter: 0, denied: true, ...shadow }, DENIED_WINDOW);
    },
  };
}
