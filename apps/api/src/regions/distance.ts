/** A place on Earth in millionths of a degree: whole numbers, so that all pages of a list are in the order of the same one. */
export interface Place {
  latitude: number;
  longitude: number;
}

const MILLIONTHS = 1e6;

export function placeAt(degrees: { latitude: number; longitude: number }): Place {
  const { latitude, longitude } = degrees;
  return { latitude: Math.round(latitude * MILLIONTHS), longitude: Math.round(longitude * MILLIONTHS) };
}

/**
 * The great-circle distance in metres from a place, as SQL: by the haversine formula on a sphere of the Earth's mean radius.
 *
 * @param from the parameters with the place's latitude and longitude, in millionths of a degree
 */
export function metresFrom([latitude, longitude]: readonly [string, string]): string {
  const [lat, lon] = [latitude, longitude].map((parameter) => `(${parameter}::float8 / ${MILLIONTHS})`);
  const half = (column: string, from: string) => `power(sin(radians(${column} - ${from}) / 2), 2)`;
  const a = `${half('latitude', lat!)} + cos(radians(${lat})) * cos(radians(latitude)) * ${half('longitude', lon!)}`;
  return `round(2 * 6371008.8 * asin(least(1, sqrt(${a}))))::bigint`;
}

/** Where a caller is, as Cloudflare's location headers tell; null when they do not. */
export function placeOfCaller(headers: Record<string, string | string[] | undefined>): Place | null {
  const [latitude, longitude] = [headers['cf-iplatitude'], headers['cf-iplongitude']].map((header) =>
    typeof header === 'string' && /^-?\d{1,3}(\.\d{1,20})?$/.test(header) ? Number(header) : NaN,
  ) as [number, number];
  const onEarth = Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180;
  return onEarth ? placeAt({ latitude, longitude }) : null;
}
