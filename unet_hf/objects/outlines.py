"""Outlines along the edges of pixels: filling an outline restores exactly the object's pixels.

A contour at half height would cut every corner and be half a pixel off. Here a pixel in column
x and row y is the square from (x, y) to (x + 1, y + 1), as in QuPath and ImageJ.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Outline:
    """One object as a polygon with holes.

    exterior, holes: (k, 2) int32 corners (x, y), the first not repeated at the end. Consecutive
        corners differ either in x or in y. No ring touches itself, but two rings may share a point.
        With y down, the exterior runs clockwise and holes run counterclockwise.
    """

    exterior: np.ndarray
    holes: tuple[np.ndarray, ...] = ()

    @property
    def rings(self) -> tuple[np.ndarray, ...]:
        """The exterior, followed by the holes."""
        return (self.exterior, *self.holes)

    def moved(self, x: int, y: int) -> "Outline":
        """Returns the outline in an image of which this one is a window that begins at (x, y)."""
        start = np.array([x, y], np.int32)
        return Outline(self.exterior + start, tuple(hole + start for hole in self.holes))

    @property
    def area(self) -> int:
        """The area in pixels, without the holes."""
        doubled = 0
        for ring in self.rings:
            x, y = ring.astype(np.int64).T
            doubled += int(x @ np.roll(y, -1) - y @ np.roll(x, -1))
        return doubled // 2


def trace(labels: np.ndarray) -> list[Outline]:
    """Returns the outlines of objects 1 to n, in their order.

    A ring follows the edges with the object at its right: east above the object's pixels, south at
    their right, and so on. Where two pixels of the object meet at a corner only, the ring
    continues along the other pixel. As objects are connected by edges, no ring then touches itself.

    Args:
        labels: (H, W) int, 0 and 1 to n without gaps, each object 4-connected.
    """
    stride = labels.shape[1] + 2
    framed = np.pad(labels, 1).ravel()
    # For edges that run east, south, west, north: the offset from a pixel to its outer neighbour.
    outside = np.array([-stride, 1, stride, -1])
    pixels = np.flatnonzero(framed)
    own = framed[pixels]
    # An edge is its pixel's index times 4 plus its direction. In ascending order, an object's first
    # edge is above its first pixel, and so belongs to the exterior.
    edges = np.sort(
        np.concatenate(
            [pixels[framed[pixels + out] != own] * 4 + d for d, out in enumerate(outside)]
        )
    )
    following, begins = _following(edges, framed, outside)
    corners = _start_points(edges, stride)
    owners = framed[edges // 4]
    rings: list[list[np.ndarray]] = [[] for _ in range(int(labels.max(initial=0)))]
    for ring in _rings(following.tolist(), begins.tolist()):
        rings[owners[ring[0]] - 1].append(corners[ring])
    return [Outline(exterior, tuple(holes)) for exterior, *holes in rings]


def _following(
    edges: np.ndarray, framed: np.ndarray, outside: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the next edge on the ring of each edge, and whether each begins at a corner."""
    pixel, direction = edges // 4, edges % 4
    own = framed[pixel]
    ahead = pixel + outside[(direction + 1) % 4]
    beyond = ahead + outside[direction]
    left, straight = framed[beyond] == own, framed[ahead] == own
    following = np.where(
        left,
        beyond * 4 + (direction - 1) % 4,
        np.where(straight, ahead * 4 + direction, pixel * 4 + (direction + 1) % 4),
    )
    following = np.searchsorted(edges, following)
    begins = np.empty(edges.size, bool)
    begins[following] = left | ~straight
    return following, begins


def _start_points(edges: np.ndarray, stride: int) -> np.ndarray:
    """Returns the (x, y) where each edge begins, (k, 2) int32, in the image without its frame."""
    pixel, direction = edges // 4, edges % 4
    x = pixel % stride - 1 + np.isin(direction, (1, 2))
    y = pixel // stride - 1 + np.isin(direction, (2, 3))
    return np.stack([x, y], axis=1).astype(np.int32)


def _rings(following: list[int], begins: list[bool]) -> list[list[int]]:
    """Returns the rings, each as those of its edges that begin at a corner."""
    rings = []
    visited = bytearray(len(following))
    for first in range(len(following)):
        ring, edge = [], first
        while not visited[edge]:
            visited[edge] = True
            if begins[edge]:
                ring.append(edge)
            edge = following[edge]
        if ring:
            rings.append(ring)
    return rings
