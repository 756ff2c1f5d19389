import { describe, expect, it } from "@jest/globals";
import { ERROR_CODES, KitError } from "../../src/errors.ts";

describe("a KitError", () => {
  const error = new KitError("REDIS_TIMEOUT", {
    message: "GET got no answer.",
    fix: "Look for a slow Redis.",
    status: 503,
    retryAfter: 1,
    outcome: "maybeExecuted",
    cause: new Error("underneath"),
  });

  it("says what was wrong, the fix and the code in its message", () => {
    expect(error.message).toBe("GET got no answer. Look for a slow Redis. [REDIS_TIMEOUT]");
    expect(error).toMatchObject({
      name: "KitError",
      code: "REDIS_TIMEOUT",
      fix: "Look for a slow Redis.",
      docs: "docs/errors.md#redis_timeout",
      status: 503,
      headers: { "Retry-After": "1" },
      outcome: "maybeExecuted",
    });
    expect(error.cause).toBeInstanceOf(Error);
  });

  it("is an Error, and is known as a KitError across copies of the package", () => {
    const brand = Symbol.for("express-redis-kit.KitError");
    expect(error).toBeInstanceOf(Error);
    expect({ [brand]: true } instanceof KitError).toBe(true);
    for (const other of [new Error("no"), null, undefined, "REDIS_TIMEOUT", {}])
      expect(other instanceof KitError).toBe(false);
  });

  it("has status 500 and no headers where nothing else is said", () => {
    const plain = new KitError("INVALID_OPTION", { message: "No.", fix: "Yes." });
    expect(plain).toMatchObject({ status: 500, headers: {} });
    expect("cause" in plain).toBe(false);
  });

  it("has sorted, unique codes", () => {
    expect([...ERROR_CODES]).toEqual([...new Set(ERROR_CODES)].toSorted());
  });
});
