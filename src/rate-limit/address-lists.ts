/** `allow` and `deny`: addresses that are not counted, and addresses that are turned away. */
import type { IncomingMessage, ServerResponse } from "node:http";
import proxyAddr from "proxy-addr";
import { invalidOption } from "../validate.ts";
import { sendProblem } from "./refusal.ts";

/** What the lists say of an address; undefined for one that is counted like any other. */
export type Verdict = (address: string) => "allow" | "deny" | undefined;

/** Compiles the options; undefined where neither is given. */
export function parseAddressLists(allow: unknown, deny: unknown): Verdict | undefined {
  if (allow === undefined && deny === undefined) return undefined;
  const isAllowed = parseAddresses("allow", allow);
  const isDenied = parseAddresses("deny", deny);
  return (address) => {
    if (isAllowed(address)) return "allow";
    return isDenied(address) ? "deny" : undefined;
  };
}

/** Addresses, CIDR ranges, and proxy-addr's names for ranges. */
function parseAddresses(name: string, value: unknown): (address: string) => boolean {
  if (value === undefined) return () => false;
  try {
    const holds = proxyAddr.compile([value].flat() as string[]);
    return (address) => holds(address, 0);
  } catch {
    throw invalidOption(
      name,
      value,
      "addresses and ranges such as ['10.0.0.0/8', '2001:db8::/32', 'loopback']",
    );
  }
}

/** Turns a client away whose address `deny` names. */
export function turnAway(request: IncomingMessage, response: ServerResponse): void {
  sendProblem(request, response, 403, { title: "Forbidden", text: "Forbidden." });
}
