/** What a callback of the user answers: at once, or it says nothing. */

/**
 * A promise where none is expected (an `async` callback) would end the app when nobody handles its rejection.
 * @throws TypeError for a promise, with advice
 */
export function expectNoPromise(answer: unknown, name: string): void {
  if (!(answer instanceof Promise)) return;
  answer.catch(() => {});
  throw new TypeError(`\`${name}\` must answer at once, got a promise: it can't be async`);
}
