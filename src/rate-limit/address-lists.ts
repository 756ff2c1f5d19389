/** `allow` and `deny`: addresses that are not counted, and addresses that are turned away. */
import { compileAddresses, type Trust } from "../config/trust-proxy.ts";

/** What the lists say of an address; undefined for one that is counted like any other. */
export type Verdict = (address: string) => "allow" | "deny" | undefined;

/** Compiles the options; undefined where neither is given. */
export function parseAddressLists(allow: unknown, deny: unknown): Verdict | undefined {
  if (allow === undefined && deny === undefined) return undefined;
  const isAllowed = parseAddresses("allow", allow);
  const isDenied = parseAddresses("deny", deny);
  return (address) => {
    if (isAllowed(address, 0)) return "allow";
    return isDenied(address, 0) ? "deny" : undefined;
  };
}

const EXPECTED = "addresses and ranges such as ['10.0.0.0/8', '2001:db8::/32', 'loopback']";

function parseAddresses(name: string, value: unknown): Trust {
  return value === undefined ? () => false : compileAddresses(name, value, EXPECTED);
}
