/** Express's `trust proxy` syntax, for requests that no Express app has touched. */
import proxyAddr from "proxy-addr";
import { invalidOption } from "../validate.ts";

/** Express's `trust proxy` syntax. */
export type TrustProxy =
  | boolean
  | number
  | string
  | readonly string[]
  | ((address: string, hop: number) => boolean);

/** Decides whether the hop at this address is a trusted proxy. */
export type Trust = (address: string, hop: number) => boolean;

/** Compiles the option `trustProxy`. */
export function compileTrust(value: unknown): Trust {
  if (value === undefined || value === false) return () => false;
  if (value === true) return () => true;
  if (typeof value === "function") return value as Trust;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0)
    return (_address, hop) => hop < value;
  return compileAddresses(
    "trustProxy",
    value,
    "what Express's `trust proxy` takes: true, a number of hops, or addresses such as 'loopback, 10.0.0.0/8'",
  );
}

/** Compiles addresses, CIDR ranges, and proxy-addr's names for ranges: a list, or a text with commas. */
export function compileAddresses(name: string, value: unknown, expected: string): Trust {
  try {
    return proxyAddr.compile(
      typeof value === "string" ? value.split(/\s*,\s*/) : (value as string[]),
    );
  } catch {
    throw invalidOption(name, value, expected);
  }
}
