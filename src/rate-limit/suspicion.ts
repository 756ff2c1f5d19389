/**
 * Sign-ins that look like an attack: one account from many addresses, one address over many accounts.
 *
 * Failed and refused attempts are counted in this process, in bounded memory: what is told is a hint
 * for people, and nothing is refused because of it.
 */
import { LRUCache } from "lru-cache";
import { segment } from "../keys.ts";
import { checkOptions, parseCount, parseDuration } from "../validate.ts";
import type { Events } from "../observe/events.ts";
import type { SuspicionOptions } from "./options.ts";

/** When something is told. */
export interface Thresholds {
  readonly addressesPerAccount: number;
  readonly accountsPerAddress: number;
  readonly window: number;
}

/** Accounts, and addresses, that are watched at once; beyond it the least recently seen goes. */
const MOST = 10_000;

/** Reads the option `suspicious`. */
export function parseSuspicion(
  value: SuspicionOptions | false | undefined,
): Thresholds | undefined {
  if (value === false) return undefined;
  const options = value ?? {};
  checkOptions("suspicious", options, ["addressesPerAccount", "accountsPerAddress", "window"]);
  const { addressesPerAccount = 10, accountsPerAddress = 20, window = "15m" } = options;
  return {
    addressesPerAccount: parseCount("suspicious.addressesPerAccount", addressesPerAccount, 2),
    accountsPerAddress: parseCount("suspicious.accountsPerAddress", accountsPerAddress, 2),
    window: parseDuration("suspicious.window", window),
  };
}

/** Notes that somebody at `address` failed to sign in to `accounts`. */
export type Suspect = (address: string, accounts: readonly string[]) => void;

/** The longest account that is kept as it is: what a client sends must not fill the memory. */
const LONGEST = 200;

function bounded(account: string): string {
  return account.length <= LONGEST ? account : segment(account);
}

interface Sighting {
  readonly until: number;
  /** Those it was seen with; undefined once it has been told. */
  others: Set<string> | undefined;
}

/** Makes what watches the sign-ins of one limiter. */
export function createSuspicion(
  { addressesPerAccount, accountsPerAddress, window }: Thresholds,
  events: Events,
  type: string,
): Suspect {
  const byAccount = new LRUCache<string, Sighting>({ max: MOST });
  const byAddress = new LRUCache<string, Sighting>({ max: MOST });

  /** Whether `other` is the one that reaches the threshold. */
  const see = (
    sightings: LRUCache<string, Sighting>,
    who: string,
    other: string,
    threshold: number,
  ): boolean => {
    const now = performance.now();
    let sighting = sightings.get(who);
    if (sighting === undefined || sighting.until <= now) {
      sighting = { until: now + window, others: new Set() };
      sightings.set(who, sighting);
    }
    sighting.others?.add(other);
    if (sighting.others === undefined || sighting.others.size < threshold) return false;
    sighting.others = undefined;
    return true;
  };

  return (address, accounts) => {
    for (const account of accounts.map(bounded)) {
      if (see(byAccount, account, address, addressesPerAccount)) {
        const count = addressesPerAccount;
        events.emit("suspicious", { reason: "account-from-many-addresses", type, account, count });
      }
      if (see(byAddress, address, account, accountsPerAddress)) {
        const count = accountsPerAddress;
        events.emit("suspicious", { reason: "address-over-many-accounts", type, address, count });
      }
    }
  };
}
