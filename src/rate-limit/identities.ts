/** Whom a request counts for. */
import type { Context } from "../context.ts";
import { addressIdentity } from "../request.ts";
import { idText } from "../id-text.ts";
import { invalidOption } from "../validate.ts";
import type { IdentityValue } from "./options.ts";

/** Who sent a request, as far as a limiter looks at it. */
export interface Sender {
  readonly address: string;
  /** Of a sign-in; otherwise empty. */
  readonly accounts: readonly string[];
}

/** What an error calls the function of the user's; both names are one option. */
const ASKED = "by() or keyGenerator()";

function identityText(identity: unknown): string {
  const text = idText(identity);
  if (text !== undefined && text !== "") return text;
  throw invalidOption(ASKED, identity, "a text that tells one client from another");
}

/** An identity as the segments of its key. */
export function segmentsOf(identity: IdentityValue): string[] {
  const parts = [identity].flat();
  if (parts.length === 0) throw invalidOption(ASKED, identity, "an identity of at least one part");
  return parts.map(identityText);
}

/** What `by` answered: each identity once, as the segments of its key. */
export function eachOf(identities: unknown): string[][] {
  if (!Array.isArray(identities)) return [[identityText(identities)]];
  if (identities.length === 0) throw invalidOption(ASKED, identities, "at least one identity");
  const segments = (identities as readonly IdentityValue[]).map(segmentsOf);
  return [...new Map(segments.map((texts) => [JSON.stringify(texts), texts])).values()];
}

/** Who sent a request, by the client's address. */
export function senderOf(
  { notices }: Context,
  {
    ipv6Subnet,
    accounts,
  }: { readonly ipv6Subnet: number | false; readonly accounts: readonly string[] | undefined },
  client: string,
): Sender {
  const address = addressIdentity(client, ipv6Subnet);
  if (accounts?.length === 0) {
    notices.add(
      "rateLimit('auth') found no account in a request and counted its address alone: mount a body parser before it, or pass `account`.",
    );
  }
  return { address, accounts: accounts ?? NONE };
}

const NONE: readonly string[] = [];
