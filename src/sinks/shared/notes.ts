/** Notes of a record that more than one room reads. */

/** It lay in an outbox for longer than destinations remember what they had: it may be counted twice there. */
export const NOTE_LATE = "outbox_older_than_7_days";
