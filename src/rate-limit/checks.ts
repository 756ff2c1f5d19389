/** Mistakes that only show while an app runs: they are told once, with what mends them. */
import type { IncomingMessage } from "node:http";
import { type Context, perKit } from "../context.ts";
import { type KnownRequest, trustOf } from "../request.ts";
import type { Ask } from "./counter.ts";
import type { LimiterPlan } from "./plan.ts";

/** Looks at what comes by. */
export interface Checks {
  request(request: IncomingMessage): void;
  asks(request: IncomingMessage, asks: readonly Ask[]): void;
}

/** An address that no proxy has (discard prefix, RFC 6666), farther away than any proxy is: whoever trusts it trusts everybody. */
const NOBODY = ["100::1", 100] as const;

/** A request that is being handled stands in the stack of what its handler calls. */
const HANDLING = /\bparserOnIncoming\b|\bLayer\.handle|\bonServerStream\b/;

/** What each kit has said, and on which of its keys a request was counted, in development. */
const seenBy = perKit(() => ({
  texts: new Set<string>(),
  counted: new WeakMap<IncomingMessage, Set<string>>(),
}));

/** Makes the checks of one limiter, and makes the one of its construction. */
export function createChecks(context: Context, plan: LimiterPlan): Checks {
  const { config } = context;
  const isDevelopment = config.environment === "development";
  const isSilent = config.environment === "test";
  const { texts, counted } = seenBy(context);

  const warn = (text: string): void => {
    if (isSilent || texts.has(text)) return;
    texts.add(text);
    (plan.options.logger ?? config.logger).warn(`express-redis-kit: ${text}`);
  };
  const { type } = plan.main;
  if (isDevelopment && plan.checks("creationStack") && isHandling()) {
    warn(
      `rateLimit('${type}') was called while a request was being handled: make a limiter once, beside the app, and pass it to the route. One made for each request remembers no refusals.`,
    );
  }

  const seesForwarded = plan.checks("xForwardedForHeader");
  const seesTrust = plan.checks("trustProxy");
  let isTrustChecked = !seesTrust || isSilent;
  let isForwardedChecked = !seesForwarded || isSilent;
  const checksCount = isDevelopment && plan.checks("singleCount");

  return {
    request: (request: KnownRequest) => {
      if (!isTrustChecked) {
        isTrustChecked = true;
        if (trustOf(request, config.trust)(...NOBODY)) warn(TRUSTS_EVERYBODY);
      }
      if (!isForwardedChecked && request.headers["x-forwarded-for"] !== undefined) {
        isForwardedChecked = true;
        const trust = trustOf(request, config.trust);
        // A proxy in front that is not trusted: all clients are counted as that one address.
        if (!trust(request.socket?.remoteAddress as string, 0)) warn(TRUSTS_NOBODY);
      }
    },
    asks: (request, asks) => {
      if (!checksCount) return;
      const keys = counted.get(request) ?? new Set<string>();
      counted.set(request, keys);
      for (const { key } of asks) {
        if (keys.has(key)) {
          warn(
            `Two limiters of the type '${type}' counted one request on the same key: mount it once, or give the second a type of its own.`,
          );
        }
        keys.add(key);
      }
    },
  };
}

const TRUSTS_EVERYBODY =
  "`trust proxy` trusts every address, so a client can choose the address that it is counted by. Name the proxies, or their number: app.set('trust proxy', 1).";

const TRUSTS_NOBODY =
  "A request carries X-Forwarded-For, but `trust proxy` does not trust the address that it came from, so all clients of a proxy are counted as one. Behind one proxy: app.set('trust proxy', 1); without Express: createKit({ trustProxy: 1 }).";

function isHandling(): boolean {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = Infinity;
  const { stack } = new Error();
  Error.stackTraceLimit = stackTraceLimit;
  return HANDLING.test(stack ?? "");
}
