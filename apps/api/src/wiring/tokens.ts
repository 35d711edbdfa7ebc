/** The connection to NATS, in the control plane's account. */
export const NATS = Symbol('the connection to NATS');

/** The manager of its streams. */
export const JETSTREAM = Symbol('the manager of the streams');
