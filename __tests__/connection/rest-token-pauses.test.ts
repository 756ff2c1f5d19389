import { afterEach, beforeEach, expect, it, jest } from "@jest/globals";
import type { CredentialsReason } from "../../src/config/credentials.ts";
import { createCredentialSource } from "../../src/connection/credentials.ts";
import { tokenRejected } from "../../src/connection/rest/failures.ts";
import { createTokens } from "../../src/connection/rest/token.ts";
import { rejection } from "../support/connections.ts";

const attempt = { target: "https://localhost", tls: true, servername: "localhost" };
const why = tokenRejected(attempt, "status 401");

let now = 0;
beforeEach(() => {
  jest.spyOn(performance, "now").mockImplementation(() => now);
});
afterEach(() => {
  jest.restoreAllMocks();
});

/** Tokens of a provider that answers `answers` in turn, an Error being a failure. */
function tokensOf(...answers: (string | Error)[]) {
  const reasons: CredentialsReason[] = [];
  const source = createCredentialSource(
    ({ reason }) => {
      reasons.push(reason);
      const answer = answers.shift()!;
      if (answer instanceof Error) throw answer;
      return { token: answer };
    },
    undefined,
    1000,
  );
  return { reasons, tokens: createTokens({ attempt, token: undefined, source, report: () => {} }) };
}

const current = async (tokens: ReturnType<typeof createTokens>) => tokens.current();

it("a provider that failed is asked again after 500 ms, and then after twice as long", async () => {
  const { tokens, reasons } = tokensOf(new Error("no"), new Error("no"), "token");
  await rejection(current(tokens));
  for (const [pause, asked] of [
    [499, 1],
    [1, 2],
    [999, 2],
  ] as const) {
    now += pause;
    expect((await rejection(current(tokens))).code).toBe("CREDENTIALS_UNAVAILABLE");
    expect(reasons).toHaveLength(asked);
  }
  now += 1;
  expect(await current(tokens)).toBe("token");
});

it("a rejected token is replaced at once, and its replacement only after a pause", async () => {
  const { tokens, reasons } = tokensOf("first", "second", "third");
  expect(await current(tokens)).toBe("first");
  expect(tokens.rejected("first", why)).toBe(true);
  expect(await current(tokens)).toBe("second");
  expect(tokens.rejected("second", why)).toBe(false);
  expect(await rejection(current(tokens))).toBe(why);
  now += 500;
  expect(await current(tokens)).toBe("third");
  tokens.accepted("third");
  expect(tokens.rejected("third", why)).toBe(true);
  expect(reasons).toEqual(["connect", "rejected", "rejected"]);
});

it("a rejection of a token that was replaced meanwhile says that there is another", async () => {
  const { tokens, reasons } = tokensOf("first", "second");
  await current(tokens);
  tokens.rejected("first", why);
  expect(tokens.rejected("first", why)).toBe(true);
  expect(await current(tokens)).toBe("second");
  expect(tokens.rejected("first", why)).toBe(true);
  expect(await current(tokens)).toBe("second");
  expect(reasons).toEqual(["connect", "rejected"]);
});

it("a fixed token that was rejected is tried again after a pause", async () => {
  const tokens = createTokens({ attempt, token: "fixed", source: undefined, report: () => {} });
  expect(tokens.current()).toBe("fixed");
  expect(tokens.rejected("fixed", why)).toBe(false);
  expect(await rejection(current(tokens))).toBe(why);
  now += 500;
  expect(tokens.current()).toBe("fixed");
});
