/** The connection to NATS, in the control plane's account. */
export const NATS = Symbol('the connection to NATS');

/** What the process was started with: `ApiSettings`. */
export const API_SETTINGS = Symbol('the settings of the API');

/** The manager of its streams. */
export const JETSTREAM = Symbol('the manager of the streams');
