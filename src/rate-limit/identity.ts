/** `identity`: what `by` functions make identities of. */
import type { IncomingMessage } from "node:http";
import type { Trust } from "../config/trust-proxy.ts";
import { addressIdentity, clientAddress } from "../request.ts";

/** Makes identities for {@link RateLimitOptions.by}. */
export interface Identity {
  /**
   * The client's address as a limiter counts it: IPv6 cut to its /56, which is the least that a provider
   * hands to one customer, and IPv4-mapped IPv6 as IPv4.
   *
   * @param of a request, whose address is what `trust proxy` says; or an address
   */
  ip(of: IncomingMessage | string): string;
}

/** Makes the `identity` of one kit. */
export function createIdentity(trust: Trust): Identity {
  return {
    ip: (of) => addressIdentity(typeof of === "string" ? of : clientAddress(of, trust)),
  };
}
