/**
 * For loops over many records: gives the event loop back when the slice is used up.
 *
 * @param sliceMs milliseconds of work between pauses. Default 1.
 * @returns a function that gives a promise to await when it is time to pause, else `undefined`.
 */
export function createTimeSlice(sliceMs = 1): () => Promise<void> | undefined {
  let sliceStart = performance.now();
  return function pauseWhenDue() {
    if (performance.now() - sliceStart < sliceMs) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => {
        sliceStart = performance.now();
        resolve();
      });
    });
  };
}
