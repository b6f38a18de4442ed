// Geometry of a volume: nearest anatomical axes, the planes of the views, percentiles.
#include "volume.h"

#include <algorithm>
#include <cmath>

// Percentiles of a sample are as good as those of all voxels for a first window.
static const size_t SAMPLE = 500000;

static std::array<float, 2> percentiles(const std::vector<float> &voxels, int channels)
{
    if (channels == 3 && *std::max_element(voxels.begin(), voxels.end()) <= 255)
        return {0, 255}; // a photograph, as it is
    const size_t step = voxels.size() / SAMPLE + 1;
    std::vector<float> sample;
    for (size_t n = 0; n < voxels.size(); n += step)
        sample.push_back(voxels[n]);
    if (sample.empty())
        return {0, 1};
    std::array<float, 2> range;
    for (int end = 0; end < 2; ++end) {
        const auto nth =
            sample.begin() + static_cast<ptrdiff_t>(std::llround((sample.size() - 1) * (end ? 0.995 : 0.005)));
        std::nth_element(sample.begin(), nth, sample.end());
        range[end] = *nth;
    }
    if (range[0] == range[1]) // mostly background, as a mask is
        range = {*std::min_element(sample.begin(), sample.end()), *std::max_element(sample.begin(), sample.end())};
    return range[0] < range[1] ? range : std::array<float, 2>{range[0], range[0] + 1};
}

Volume::Volume(const int64_t shape[4], const double spacing[3], const double affine[16], bool flat, bool oriented,
               std::vector<float> voxels)
    : size_{static_cast<int>(shape[3]), static_cast<int>(shape[2]), static_cast<int>(shape[1])},
      channels_(static_cast<int>(shape[0])), flat_(flat),
      oriented_(oriented), spacing_{spacing[2], spacing[1], spacing[0]}, voxels_(std::move(voxels)),
      range_(percentiles(voxels_, channels_)), axis_{0, 1, 2}, rising_{true, true, true}
{
    std::copy(affine, affine + 16, affine_.begin());
    // Each anatomical direction takes the array axis with the largest cosine, the clearest pair first.
    bool directionTaken[3] = {}, axisTaken[3] = {};
    for (int pair = 0; pair < 3; ++pair) {
        int direction = -1, axis = -1;
        double best = -1;
        for (int d = 0; d < 3; ++d) {
            for (int a = 0; a < 3; ++a) {
                const double cosine = std::fabs(affine_[d * 4 + a]) / spacing_[a];
                if (!directionTaken[d] && !axisTaken[a] && cosine > best) {
                    best = cosine;
                    direction = d;
                    axis = a;
                }
            }
        }
        directionTaken[direction] = axisTaken[axis] = true;
        axis_[direction] = axis;
        rising_[direction] = affine_[direction * 4 + axis] >= 0;
    }
}

bool Volume::contains(const Index &index) const
{
    for (int axis = 0; axis < 3; ++axis) {
        if (index[axis] < 0 || index[axis] >= size_[axis])
            return false;
    }
    return true;
}

std::array<double, 3> Volume::position(const Index &index) const
{
    std::array<double, 3> mm;
    for (int row = 0; row < 3; ++row) {
        mm[row] = affine_[row * 4 + 3];
        for (int axis = 0; axis < 3; ++axis)
            mm[row] += affine_[row * 4 + axis] * index[axis];
    }
    return mm;
}

Plane Volume::plane(View view) const
{
    if (!oriented_)
        return Plane(); // as stored
    enum { Right, Anterior, Superior };
    const int across = view == View::Sagittal ? Anterior : Right;
    const int down = view == View::Axial ? Anterior : Superior;
    const int normal = 3 - across - down;
    static const char letters[3][2] = {{'R', 'L'}, {'A', 'P'}, {'S', 'I'}};
    Plane plane;
    plane.across = axis_[across];
    plane.down = axis_[down];
    plane.normal = axis_[normal];
    plane.flipAcross = rising_[across]; // right, or anterior, is at the left of the screen
    plane.flipDown = rising_[down];
    plane.rises = rising_[normal];
    plane.left = QLatin1Char(letters[across][0]);
    plane.right = QLatin1Char(letters[across][1]);
    plane.top = QLatin1Char(letters[down][0]);
    plane.bottom = QLatin1Char(letters[down][1]);
    return plane;
}

View Volume::flatView() const
{
    for (View view : {View::Axial, View::Coronal, View::Sagittal}) {
        if (plane(view).normal == 2)
            return view;
    }
    return View::Axial;
}

bool Volume::sameGrid(const Volume &other, double tolerance) const
{
    if (size_ != other.size_)
        return false;
    for (int corner = 0; corner < 8; ++corner) {
        const Index index{corner & 1 ? size_[0] - 1 : 0, corner & 2 ? size_[1] - 1 : 0, corner & 4 ? size_[2] - 1 : 0};
        const std::array<double, 3> here = position(index), there = other.position(index);
        const double distance = std::hypot(here[0] - there[0], here[1] - there[1], here[2] - there[2]);
        if (distance > tolerance * *std::min_element(spacing_.begin(), spacing_.end()))
            return false;
    }
    return true;
}
