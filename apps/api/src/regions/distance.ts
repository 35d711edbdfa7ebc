export interface Place {
  latitude: number;
  longitude: number;
}

const EARTH_RADIUS_KM = 6371.0088;

/** The great-circle distance in kilometres, by the haversine formula on a sphere of the Earth's mean radius. */
export function distanceKm(from: Place, to: Place): number {
  const radians = (degrees: number): number => (degrees * Math.PI) / 180;
  const half = (angle: number): number => Math.sin(angle / 2) ** 2;
  const a =
    half(radians(to.latitude - from.latitude)) +
    Math.cos(radians(from.latitude)) * Math.cos(radians(to.latitude)) * half(radians(to.longitude - from.longitude));
  return 2 * EARTH_RADIUS_KM * Math.asin(Math.min(1, Math.sqrt(a)));
}

/** Where a caller is, as Cloudflare's location headers tell; null when they do not. */
export function placeOfCaller(headers: Record<string, string | string[] | undefined>): Place | null {
  const latitude = Number(headers['cf-iplatitude'] ?? NaN);
  const longitude = Number(headers['cf-iplongitude'] ?? NaN);
  const onEarth = Math.abs(latitude) <= 90 && Math.abs(longitude) <= 180;
  return onEarth ? { latitude, longitude } : null;
}
