// An image with its geometry: voxels as read from the library, where they lie in the patient, and how each of the
// three views looks at them. It never changes once it is made, so that any thread may read it.
#pragma once

#include <QChar>
#include <array>
#include <cstdint>
#include <vector>

// A voxel: i, j, k. i runs along the fastest axis of the array, as in the library's affines.
using Index = std::array<int, 3>;

enum class View { Axial, Coronal, Sagittal };

// How a view lies in the array. Radiological: the patient's right is at the left of the screen, anterior and superior
// are up, and in the sagittal view anterior is at the left.
struct Plane {
    int across = 0, down = 1, normal = 2; // array axes: 0 is i, 1 is j, 2 is k
    bool flipAcross = false, flipDown = false;
    bool rises = true;              // along `normal`, the index grows to superior, anterior or right
    QChar left, right, top, bottom; // letters at the edges; null where the image says nothing

    // The voxel at a column and row of the view, which may lie outside the image.
    Index index(const Index &size, int slice, int column, int row) const
    {
        Index at;
        at[normal] = slice;
        at[across] = flipAcross ? size[across] - 1 - column : column;
        at[down] = flipDown ? size[down] - 1 - row : row;
        return at;
    }
    // Calls pixel(number, voxel) for each sample of a part of a slice, row by row: its number, and that of its voxel in
    // the array. Steps are added, since this is what scrolling waits for.
    template <typename Pixel>
    void visit(const Index &size, int slice, int firstColumn, int firstRow, int width, int height, int step,
               Pixel pixel) const
    {
        const ptrdiff_t strides[3] = {1, size[0], static_cast<ptrdiff_t>(size[0]) * size[1]};
        const ptrdiff_t stride = (flipAcross ? -step : step) * strides[across];
        int number = 0;
        for (int row = 0; row < height; ++row) {
            const Index first = index(size, slice, firstColumn, firstRow + row * step);
            ptrdiff_t voxel = first[2] * strides[2] + first[1] * strides[1] + first[0];
            for (int column = 0; column < width; ++column, ++number, voxel += stride)
                pixel(number, static_cast<size_t>(voxel));
        }
    }
};

class Volume
{
public:
    // `shape` and `spacing` in array order, as genseg_dataset_case_info() gives them. `oriented`: the affine says where
    // the image lies in the patient (a NIfTI file), so that views turn it; otherwise it is shown as it is stored.
    Volume(const int64_t shape[4], const double spacing[3], const double affine[16], bool flat, bool oriented,
           std::vector<float> voxels);

    const Index &size() const
    {
        return size_;
    }
    int channels() const
    {
        return channels_;
    }
    // A 2-D image.
    bool flat() const
    {
        return flat_;
    }
    // Whether the affine says where the image lies in the patient.
    bool oriented() const
    {
        return oriented_;
    }
    double spacing(int axis) const
    {
        return spacing_[axis];
    }
    const double *affine() const
    {
        return affine_.data();
    }
    const float *channel(int number) const
    {
        return &voxels_[static_cast<size_t>(number) * voxelCount()];
    }
    const std::vector<float> &voxels() const
    {
        return voxels_;
    }
    float at(int number, const Index &index) const
    {
        return channel(number)[(static_cast<size_t>(index[2]) * size_[1] + index[1]) * size_[0] + index[0]];
    }
    size_t voxelCount() const
    {
        return static_cast<size_t>(size_[0]) * size_[1] * size_[2];
    }
    // What a voxel adds to the size of a label: millilitres in a volume, one pixel in a picture.
    double voxelMeasure() const
    {
        return flat_ ? 1 : spacing_[0] * spacing_[1] * spacing_[2] / 1000;
    }
    bool contains(const Index &index) const;
    // Millimetres to the right, anterior and superior (RAS+).
    std::array<double, 3> position(const Index &index) const;
    Plane plane(View view) const;
    // The view that shows all of a 2-D image.
    View flatView() const;
    // 0.5th and 99.5th percentile, between which most of the image can be seen.
    std::array<float, 2> range() const
    {
        return range_;
    }
    // True where both have the same grid: sizes, and affines to within `tolerance` voxels at every corner.
    bool sameGrid(const Volume &other, double tolerance) const;

private:
    Index size_;
    int channels_;
    bool flat_, oriented_;
    std::array<double, 3> spacing_;
    std::array<double, 16> affine_;
    std::vector<float> voxels_;
    std::array<float, 2> range_;
    std::array<int, 3> axis_;    // array axis that lies nearest to R, A, S
    std::array<bool, 3> rising_; // whether its index grows that way
};
