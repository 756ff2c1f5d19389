import { describe, expect, it } from "@jest/globals";
import {
  checkOptions,
  parseChoice,
  parseCount,
  parseNames,
  parseSecrets,
} from "../../src/validate.ts";
import { setTimeout as delay } from "node:timers/promises";
import { resolveConfig } from "../../src/config.ts";
import { withDeadline } from "../../src/connection/deadline.ts";

describe("a deadline", () => {
  it.each(["deadline", "connectDeadline"])(
    "that is longer than a timer can count is refused as `%s`, for it would pass at once",
    async (name) => {
      expect(() => resolveConfig({ [name]: "30d" }, {})).toThrow(
        expect.objectContaining({ code: "INVALID_DURATION" }),
      );
      const longest = resolveConfig({ [name]: "24d" }, {})[name as "deadline"];
      const answer = delay(5).then(() => "an answer");
      await expect(withDeadline(answer, longest, "GET")).resolves.toBe("an answer");
    },
  );
});

describe("checks of options", () => {
  it.each([[null], [undefined], ["redis"], [5], [[]], [true], [() => {}]])(
    "refuse %p in place of an object",
    (value) => {
      expect(() => checkOptions("rateLimit()", value, ["limit"])).toThrow(
        expect.objectContaining({ code: "INVALID_OPTION" }),
      );
    },
  );

  it.each(["constructor", "toString", "hasOwnProperty"])(
    "do not know %p by inheritance",
    (name) => {
      expect(() => checkOptions("rateLimit()", { [name]: 1 }, ["limit"])).toThrow(
        expect.objectContaining({ code: "UNKNOWN_OPTION" }),
      );
    },
  );

  it("refuse what is no whole number in range", () => {
    for (const value of [0, -1, 1.5, Number.NaN, "5", null, 2 ** 53, [5], Infinity]) {
      expect(() => parseCount("limit", value)).toThrow(
        expect.objectContaining({ code: "INVALID_OPTION" }),
      );
    }
    expect(parseCount("limit", 0, 0)).toBe(0);
  });

  it("name the choices, and the one that was meant", () => {
    expect(() =>
      parseChoice("algorithm", "slidingwindow", ["sliding-window", "token-bucket"]),
    ).toThrow("Did you mean 'sliding-window'?");
    expect(() => parseChoice("algorithm", 5, ["sliding-window"])).toThrow("'sliding-window'");
  });

  it("refuse a list that holds anything but names", () => {
    for (const value of ["a", [""], [5], null, {}, [null]]) {
      expect(() => parseNames("vary", value)).toThrow(
        expect.objectContaining({ code: "INVALID_OPTION" }),
      );
    }
  });

  it("refuse empty secrets, and never print one", () => {
    for (const value of ["", [], ["hunter2", ""], ["hunter2", 5], null, 5, {}]) {
      expect(() => parseSecrets("secret", value)).toThrow(
        expect.objectContaining({
          code: "INVALID_OPTION",
          message: expect.not.stringContaining("hunter2"),
        }),
      );
    }
  });

  it("neither keep nor freeze the caller's own arrays", () => {
    const mine = ["first"];
    const secrets = parseSecrets("secret", mine);
    const names = parseNames("vary", mine);
    mine.push("second");
    expect(secrets).toEqual(["first"]);
    expect(names).toEqual(["first"]);
  });
});
